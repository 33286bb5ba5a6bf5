import asyncio
async def test_async(): await asyncio.sleep(0)
