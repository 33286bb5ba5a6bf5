"""Addresses of PostgreSQL and Redis: what they mean, and what is refused instead of guessed."""

from urllib.parse import quote

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster

from core.environment import service_url
from core.environment.service_url import NoAddress

AWKWARD = "S3cret#?/:@%+ é'\"pw"


def test_a_redis() -> None:
    found = service_url.redis(f"rediss://me:{quote(AWKWARD, safe='')}@redis.example.org:6380/3")
    assert found == ("me", AWKWARD, "redis.example.org", 6380, 3, True)
    assert service_url.redis("redis://h") == ("", "", "h", 6379, 0, False)
    assert service_url.redis("redis://:p@ss@h").password == "p@ss", "the last @ ends it"
    assert service_url.redis("redis://[::1]:6380/").place == "[::1]:6380"
    assert service_url.redis("rediss://h?ssl_cert_reqs=none").has_tls
    assert service_url.redis("redis://h?db=4&socket_connect_timeout=2").database == 4


@pytest.mark.parametrize(
    "url",
    [
        *("redis://:S3cret#pw@h:6379/0", "redis://:S3cret?pw@h:6379/0"),
        *("redis://:S3cret/pw@h:6379/0", "redis://:S3cret%pw@h:6379/0"),
        *("redis://:12#4@h", "redis://:12?4@h", "redis://:12/4@h", "redis://u:12/4@h/0"),
        *("redis://h:port", "redis://h:0", "redis://h:65536", "redis://h:-1", "redis://h:6379:1"),
        *("redis://h/one", "redis://h/1/2", "redis://h/-1", "redis://h/0x1", "redis://h/١"),
        *(
            "redis://h?db=one",
            "redis://h/1?db=2",
            "redis://h?no_such=1",
            "redis://h?socket_connect_timeout",
        ),
        *(
            "redis://h?socket_connect_timeout=1s",
            "redis://h?ssl_cert_reqs=none",
            "redis://h?db=1&db=2",
        ),
        *("redis://", "redis:///0", "redis://:pw@/0", "redis:h", "redis//h", "//h", "h:6379", ""),
        *(
            "redis://h,g",
            "redis://[::1",
            "redis://::1",
            "redis://[h]",
            "redis://h h",
            "redis://h/0 ",
        ),
        *("unix:///run/redis.sock", "http://h", "REDIS://h", '"redis://h"', "redis://%2Frun/0"),
        *("redis+sentinel://h/0", "redis://h\n", "redis://h\x00", "redis://u:%ff@h"),
    ],
)
def test_no_redis(url: str) -> None:
    with pytest.raises(NoAddress) as said:
        service_url.redis(url)
    assert str(said.value) == ""
    assert said.value.__cause__ is None
    assert said.value.__suppress_context__


@pytest.mark.parametrize(
    "options",
    [
        "client_name=chat",
        "health_check_interval=30",
        "socket_connect_timeout=0.5",
        "socket_keepalive=no",
        "ssl_cert_reqs=none",
        "ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false",
        "ssl_certfile=/etc/own.pem&ssl_keyfile=/etc/own.key",
    ],
)
def test_options_of_redis_that_each_of_our_clients_takes(options: str) -> None:
    url = f"rediss://h/0?{options}"
    assert service_url.redis(url).host == "h"
    Redis.from_url(url).connection_pool.make_connection()
    AsyncRedis.from_url(url).connection_pool.make_connection()
    AsyncRedisCluster.from_url(url)


@pytest.mark.parametrize(
    "options",
    [
        # what the chat reads would be text, and not bytes
        *("decode_responses=yes", "encoding=latin-1", "encoding_errors=ignore"),
        *("protocol=3", "legacy_responses=no", "max_connections=0", "max_connections=5"),
        *("retry_on_error=TimeoutError", "retry_on_timeout=yes", "timeout=5", "password=x"),
        *("socket_timeout=2", "socket_timeout=60"),  # of one layer more, of pages less
        *("socket_connect_timeout=nan", "socket_connect_timeout=0", "socket_connect_timeout=-1"),
        *("health_check_interval=-1", "socket_keepalive=maybe", "client_name=a%20b"),
        *("client_name=%0D%0AQUIT", "ssl_cert_reqs=maybe", "ssl_check_hostname=off"),
        *("ssl_ca_certs=a%00b", "ssl_keyfile=/etc/own.key"),  # a key without its certificate
        "ssl_validate_ocsp=yes",  # not of the asynchronous client
        *("ssl_password=x", "ssl_ca_path=/etc/ssl"),  # not of a cluster's
    ],
)
def test_options_of_redis_that_break_something(options: str) -> None:
    with pytest.raises(NoAddress):
        service_url.redis(f"rediss://h/0?{options}")


NO_HOSTS = ["h" * 64, "h" * 300, "ünï..x", "é" * 60, ".".join(["h" * 60] * 5)]


@pytest.mark.parametrize("host", NO_HOSTS)
def test_a_host_that_can_be_none(host: str) -> None:
    """Python raises UnicodeError as it looks such a one up."""
    with pytest.raises(NoAddress):
        service_url.redis(f"redis://:S3cret@{host}:6379/0")
    for url in (f"postgres://u@{host}/n", f"postgres://u@a,{host}/n", f"postgres:///n?host={host}"):
        with pytest.raises(NoAddress):
            service_url.postgresql(url)


def test_hosts_in_any_script() -> None:
    assert service_url.redis("redis://bücher.example").host == "bücher.example"
    assert service_url.postgresql("postgres://bücher.example/n")["HOST"] == "bücher.example"
    folder = "/run/" + "deep/" * 60
    assert service_url.postgresql(f"postgres:///n?host={folder}")["OPTIONS"] == {"host": folder}


NUMBERS = [
    *("connect_timeout", "tcp_user_timeout"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
]


@pytest.mark.parametrize("option", NUMBERS)
def test_numbers_that_libpq_would_read_only_as_it_connects(option: str) -> None:
    found = service_url.postgresql(f"postgres://h/n?{option}=10")
    assert found["OPTIONS"] == {option: "10"}
    for value in ("abc", "", "1.5", "5s", "-1", "0x1", "٣", "1e3", "9" * 20):
        with pytest.raises(NoAddress):
            service_url.postgresql(f"postgres://h/n?{option}={value}")


def test_a_postgresql() -> None:
    password = quote(AWKWARD, safe="")
    assert service_url.postgresql(
        f"postgres://me:{password}@db.example.org:5433/a+b?sslmode=off"
    ) == {
        "NAME": "a+b",
        "USER": "me",
        "PASSWORD": AWKWARD,
        "HOST": "db.example.org",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "off"},
    }


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgres:///chat", "", ""),
        ("postgresql://me@h/chat", "h", ""),
        ("postgres://me:p@ss@h/chat", "h", ""),
        ("postgres://[::1]:5433/chat", "::1", "5433"),
        ("postgres://one:5433,two/chat", "one,two", "5433,"),
        ("postgres://%2Fvar%2Frun/chat", "/var/run", ""),
        ("postgres:////var/run/chat", "/var/run", ""),
        ("postgres:///chat?host=/var/run", "", ""),
    ],
)
def test_where_a_postgresql_is(url: str, host: str, port: str) -> None:
    found = service_url.postgresql(url)
    assert (found["NAME"], found["HOST"], found["PORT"]) == ("chat", host, port)


@pytest.mark.parametrize(
    "url",
    [
        *("postgres://u:S3cret#pw@h/n", "postgres://u:S3cret?pw@h/n", "postgres://u:S3cret/pw@h/n"),
        *("postgres://u:S3%pw@h/n", "postgres://u:12#4@h/n", "postgres://u:12?4@h/n"),
        *("postgres://u:12/4@h/n", "postgres://u:12/4@h", "postgres://u:12?a=4@h/n"),
        *("postgres://h:port/n", "postgres://h:0/n", "postgres://h:65536/n", "postgres://h:1:2/n"),
        *("postgres://h", "postgres://h/", "postgres://h/a/b", f"postgres://h/{'n' * 64}"),
        *("postgres://h/n?no_such=1", "postgres://h/n?sslmode", "postgres://h/n?a=1&a=2"),
        *("postgres://[::1/n", "postgres://::1/n", "postgres://h/n m", "postgres://h/n\n"),
        *("mysql://h/n", "sqlite:///n", "host=h dbname=n", "'postgres://h/n'", "postgres://h/n#f"),
        *("postgres://h/n?CONN_MAX_AGE=1", "postgres://h/n?pool=on"),
    ],
)
def test_no_postgresql(url: str) -> None:
    with pytest.raises(NoAddress) as said:
        service_url.postgresql(url)
    assert str(said.value) == ""
