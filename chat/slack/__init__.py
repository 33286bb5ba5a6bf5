"""Brings a standard Slack export into the chat (`manage.py import_slack`).

    files.py     the bytes: a folder or a zip, read in memory, each member bounded
    export.py    which people, rooms and day files there are
    entries.py   one entry of a day file: what it is, who wrote it, when
    markup.py    Slack's markup as text that people read
    accounts.py  Slack's people and bots as users of the chat
    rooms.py     Slack's channels as rooms, and who belongs to them
    messages.py  a room's entries as messages, in bulk
    importer.py  all of it, room by room
    report.py    what became of every entry

What an export holds was written by others. Nothing in it names a file to read, an account or a
room of the chat to write to; that is `chat.Imported`'s to say.
"""
