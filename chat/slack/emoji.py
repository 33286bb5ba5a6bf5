"""Slack's names of the commonest emoji. Any other stays as it was written, `:like_this:`."""

import re

_TABLE = """
+1 👍 thumbsup 👍 -1 👎 thumbsdown 👎 ok_hand 👌 wave 👋 clap 👏 raised_hands 🙌 pray 🙏 muscle 💪
fist ✊ facepunch 👊 punch 👊 v ✌️ crossed_fingers 🤞 point_up ☝️ point_up_2 👆 point_down 👇
point_left 👈 point_right 👉 hand ✋ raised_hand ✋ handshake 🤝 open_hands 👐 the_horns 🤘
metal 🤘 call_me_hand 🤙 shrug 🤷 man-shrugging 🤷‍♂️ woman-shrugging 🤷‍♀️ facepalm 🤦
face_palm 🤦 man-facepalming 🤦‍♂️ woman-facepalming 🤦‍♀️ bow 🙇 man-bowing 🙇‍♂️ writing_hand ✍️
smile 😄 smiley 😃 simple_smile 🙂 slightly_smiling_face 🙂 grinning 😀 grin 😁 laughing 😆
satisfied 😆 sweat_smile 😅 joy 😂 rolling_on_the_floor_laughing 🤣 rofl 🤣 wink 😉 blush 😊
relaxed ☺️ innocent 😇 upside_down_face 🙃 heart_eyes 😍 star-struck 🤩 kissing_heart 😘 yum 😋
stuck_out_tongue 😛 stuck_out_tongue_winking_eye 😜 stuck_out_tongue_closed_eyes 😝
zany_face 🤪 nerd_face 🤓 sunglasses 😎 partying_face 🥳 thinking_face 🤔 face_with_monocle 🧐
face_with_raised_eyebrow 🤨 neutral_face 😐 expressionless 😑 no_mouth 😶 smirk 😏 unamused 😒
face_with_rolling_eyes 🙄 rolling_eyes 🙄 grimacing 😬 relieved 😌 pensive 😔 sleepy 😪 sleeping 😴
confused 😕 worried 😟 slightly_frowning_face 🙁 white_frowning_face ☹️ open_mouth 😮 hushed 😯
astonished 😲 flushed 😳 pleading_face 🥺 frowning 😦 anguished 😧 fearful 😨 cold_sweat 😰
disappointed 😞 disappointed_relieved 😥 cry 😢 sob 😭 scream 😱 persevere 😣 sweat 😓 weary 😩
tired_face 😫 triumph 😤 angry 😠 rage 😡 exploding_head 🤯 hugging_face 🤗 smiling_imp 😈 imp 👿
skull 💀 ghost 👻 alien 👽 robot_face 🤖 hankey 💩 poop 💩 see_no_evil 🙈 hear_no_evil 🙉
speak_no_evil 🙊 heart ❤️ orange_heart 🧡 yellow_heart 💛 green_heart 💚 blue_heart 💙
purple_heart 💜 black_heart 🖤 broken_heart 💔 sparkling_heart 💖 100 💯 boom 💥 fire 🔥 star ⭐
star2 🌟 sparkles ✨ dizzy 💫 zap ⚡ sunny ☀️ rainbow 🌈 snowflake ❄️ umbrella ☔ tada 🎉
confetti_ball 🎊 balloon 🎈 birthday 🎂 cake 🍰 gift 🎁 trophy 🏆 medal 🏅 rocket 🚀 airplane ✈️
car 🚗 bike 🚲 coffee ☕ tea 🍵 beer 🍺 beers 🍻 wine_glass 🍷 champagne 🍾 pizza 🍕 cookie 🍪
taco 🌮 popcorn 🍿 apple 🍎 banana 🍌 eyes 👀 brain 🧠 bulb 💡 memo 📝 pencil 📝 pencil2 ✏️
book 📖 books 📚 newspaper 📰 calendar 📅 date 📅 chart_with_upwards_trend 📈
chart_with_downwards_trend 📉 bar_chart 📊 pushpin 📌 paperclip 📎 link 🔗 lock 🔒 unlock 🔓 key 🔑
hammer 🔨 wrench 🔧 hammer_and_wrench 🛠️ gear ⚙️ mag 🔍 bell 🔔 no_bell 🔕 mega 📣 loudspeaker 📢
speech_balloon 💬 thought_balloon 💭 email 📧 envelope ✉️ inbox_tray 📥 package 📦 computer 💻
iphone 📱 phone ☎️ camera 📷 tv 📺 headphones 🎧 musical_note 🎵 notes 🎶 guitar 🎸 art 🎨
video_game 🎮 dart 🎯 game_die 🎲 hourglass ⌛ hourglass_flowing_sand ⏳ stopwatch ⏱️
alarm_clock ⏰ clock1 🕐 moneybag 💰 dollar 💵 gem 💎 bug 🐛 ant 🐜 bee 🐝 snail 🐌 snake 🐍
turtle 🐢 fish 🐟 whale 🐳 whale2 🐋 dolphin 🐬 octopus 🐙 dog 🐶 cat 🐱 mouse 🐭 bear 🐻
panda_face 🐼 monkey 🐒 penguin 🐧 bird 🐦 chicken 🐔 unicorn_face 🦄 cow 🐮 pig 🐷 horse 🐴
elephant 🐘 tree 🌳 evergreen_tree 🌲 palm_tree 🌴 cactus 🌵 seedling 🌱 herb 🌿
four_leaf_clover 🍀 rose 🌹 sunflower 🌻 tulip 🌷 mushroom 🍄 earth_africa 🌍 earth_americas 🌎
earth_asia 🌏 ocean 🌊 moon 🌔 white_check_mark ✅ heavy_check_mark ✔️ ballot_box_with_check ☑️
x ❌ heavy_plus_sign ➕ heavy_minus_sign ➖ question ❓ grey_question ❔ exclamation ❗
heavy_exclamation_mark ❗ bangbang ‼️ interrobang ⁉️ warning ⚠️ no_entry ⛔ no_entry_sign 🚫
construction 🚧 rotating_light 🚨 recycle ♻️ arrow_up ⬆️ arrow_down ⬇️ arrow_left ⬅️
arrow_right ➡️ arrows_counterclockwise 🔄 soon 🔜 new 🆕 ok 🆗 cool 🆒 free 🆓 sos 🆘 red_circle 🔴
large_blue_circle 🔵 large_green_circle 🟢 large_yellow_circle 🟡 white_circle ⚪ black_circle ⚫
one 1️⃣ two 2️⃣ three 3️⃣ four 4️⃣ five 5️⃣ six 6️⃣ seven 7️⃣ eight 8️⃣ nine 9️⃣ zero 0️⃣
checkered_flag 🏁 triangular_flag_on_post 🚩 crown 👑 tophat 🎩 eyeglasses 👓 baby 👶
dancer 💃 man_dancing 🕺 runner 🏃 running 🏃 walking 🚶 ship 🚢 anchor ⚓ house 🏠 office 🏢
skin-tone-2 🏻 skin-tone-3 🏼 skin-tone-4 🏽 skin-tone-5 🏾 skin-tone-6 🏿
"""
_WORDS = _TABLE.split()
EMOJI = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))
# A colon inside a word (12:30:00) begins no emoji.
_SHORTCODE = re.compile(r"(?<!\w):([a-z0-9_+-]+(?:::skin-tone-[2-6])?):(?!\w)")


def emoji(name: str) -> str:
    """`thumbsup` or `wave::skin-tone-3` as the emoji, `:name:` where it is not in the table."""
    parts = [EMOJI.get(part) for part in name.split("::")]
    return f":{name}:" if None in parts else "".join(filter(None, parts))


def with_emoji(text: str) -> str:
    return _SHORTCODE.sub(lambda match: emoji(match[1]), text)
