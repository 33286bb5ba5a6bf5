"""Brings a standard Slack export into the chat (`manage.py import_slack`).

Which files there are:
    spelling.py     names as zips, disks and other programs spoil them
    files.py        a folder or a zip, listed; each file as a stream, bounded
    reading.py      a JSON list as a stream, entry by entry
    folders.py      which room a folder belongs to
    export.py       which people, rooms and day files there are, and what fits nothing

What an entry says:
    entries.py      what it is, who wrote it, when
    bodies.py       its text, from all the places where Slack keeps it:
    blocks.py, richtext.py, attachments.py, filelinks.py, markup.py, emoji.py
    values.py       single values, whatever they are

What becomes of it:
    survey.py       a first look at all entries: their number, and names of people
    index.py        a room's entries without content: their order, and what is new
    accounts.py     Slack's people and bots as users of the chat
    rooms.py        Slack's channels as rooms, and who belongs to them
    messages.py     a room's entries as messages, in bulk
    importer.py     all of it, room by room
    tally.py        counts, and where something needs a look
    report.py       the account of everything

What an export holds was written by others. Nothing in it names a file to read, an account or a
room of the chat to write to; that is `chat.Imported`'s to say.
"""
