-- Who is here, with the version that this is the state of.
return {redis.call('SMEMBERS', users), version_now()}
