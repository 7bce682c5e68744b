//! What is said, by whom. Train and held-out parts share neither a text nor a voice.

/// Which part of the corpus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Split {
    Train,
    HeldOut,
}

/// A voice of espeak-ng, its language, and how fast it speaks (words a minute).
#[derive(Clone, Copy, Debug)]
pub struct Voice {
    pub name: &'static str,
    pub chinese: bool,
}

/// Not `cmn`: that of espeak-ng 1.51 turns most words into pinyin and reads the letters and digits as English.
const fn zh(name: &'static str) -> Voice {
    Voice { name, chinese: true }
}

const fn en(name: &'static str) -> Voice {
    Voice { name, chinese: false }
}

pub fn voices(split: Split) -> &'static [Voice] {
    match split {
        Split::Train => TRAIN_VOICES,
        Split::HeldOut => HELD_OUT_VOICES,
    }
}

static TRAIN_VOICES: &[Voice] = &[
    zh("cmn-latn-pinyin+m1"),
    zh("cmn-latn-pinyin+f1"),
    zh("cmn-latn-pinyin+m3"),
    zh("cmn-latn-pinyin+f5"),
    zh("cmn-latn-pinyin+Andrea"),
    en("en-us+m1"),
    en("en-gb+f1"),
    en("en-us+f3"),
    en("en-gb-scotland+m3"),
    en("en-029+m5"),
    zh("cmn-latn-pinyin+m2"),
    zh("cmn-latn-pinyin+f2"),
    zh("cmn-latn-pinyin+m7"),
    zh("cmn-latn-pinyin+f4"),
    zh("cmn-latn-pinyin+Alex"),
    en("en-us+m2"),
    en("en-gb+f2"),
    en("en-gb-x-rp+f4"),
    en("en-us-nyc+m7"),
    en("en-gb-x-gbclan+linda"),
];

static HELD_OUT_VOICES: &[Voice] = &[
    zh("cmn-latn-pinyin+m4"),
    zh("cmn-latn-pinyin+f3"),
    zh("cmn-latn-pinyin+m6"),
    zh("cmn-latn-pinyin+steph"),
    zh("cmn-latn-pinyin+victor"),
    en("en-us+m4"),
    en("en-gb+m6"),
    en("en-us+Alicia"),
    en("en-gb-x-rp+belinda"),
    en("en-gb-x-gbcwmd+David"),
];

static TRAIN_HUMAN_CHINESE: &[&str] = &[
    "喂?",
    "喂，你好。",
    "你好。",
    "哪位?",
    "喂，哪位?",
    "喂，你说。",
    "嗯，喂?",
    "喂，你好，哪位?",
    "请讲。",
    "是我。",
    "喂，您好。",
    "您好。",
    "谁呀?",
    "喂，谁啊?",
    "喂喂?",
    "哎，你好。",
    "你好，请问哪位?",
    "喂，找谁?",
    "你说。",
    "喂，什么事?",
    "嗯。",
    "喂，我听着呢。",
    "喂，说话呀。",
    "你好，陈明。",
    "对，我是。",
];

static TRAIN_HUMAN_ENGLISH: &[&str] = &[
    "Hello?",
    "Yes?",
    "Hello, who is this?",
    "Hi.",
    "Good morning.",
    "Yeah, hello?",
    "Speaking.",
    "Hello, Tom here.",
    "Who's calling?",
    "Hello, hello?",
    "Hello.",
    "Yes, hello?",
    "Hello, who's there?",
    "Hey.",
    "Good afternoon.",
    "Hello, this is Anna.",
    "Who is it?",
    "Hi, Peter speaking.",
    "Yes, speaking.",
    "Hello, what is it?",
    "Hello, how can I help?",
    "Hi, this is Jenny speaking.",
    "Yes, what do you want?",
    "Susan Baker.",
    "Hi there, who's this?",
    "Yeah?",
];

/// What a person says who answers.
pub fn human(split: Split, chinese: bool) -> &'static [&'static str] {
    match (split, chinese) {
        (Split::Train, true) => TRAIN_HUMAN_CHINESE,
        (Split::Train, false) => TRAIN_HUMAN_ENGLISH,
        (Split::HeldOut, true) => &[
            "喂，哪里?",
            "您好，请说。",
            "喂，在的。",
            "哪一位?",
            "嗯，你好。",
            "喂，你是谁?",
            "你好，我是小王。",
            "喂，怎么了?",
            "什么事?",
            "喂，听得到吗?",
        ],
        (Split::HeldOut, false) => &[
            "Hello there.",
            "Yes, who's this?",
            "Good evening.",
            "Hello, Mary speaking.",
            "Hi, who's calling?",
            "Yep.",
            "Hello, can I help you?",
            "This is David.",
            "Anna Brown.",
            "Hey, what's up?",
        ],
    }
}

/// What a machine says that answers.
pub fn machine(split: Split, chinese: bool) -> &'static [&'static str] {
    match (split, chinese) {
        (Split::Train, true) => &[
            "您好，您拨打的用户暂时无法接听，请在滴声后留言。",
            "你好，我现在不方便接电话，请留言，我会尽快回复。",
            "您好，这里是张先生的语音信箱，请在提示音之后留下您的口信。",
            "欢迎致电我们公司，国内业务请按一，国际业务请按二，人工服务请按零。",
            "对不起，我现在不在，听到滴的一声以后请留言。",
            "您好，机主已启用来电秘书服务，请说出您找他有什么事。",
            "您好，我是小李，现在无法接听您的电话，有事请在嘟声后留言，谢谢。",
            "您呼叫的用户已将来电转接到语音信箱，请在听到提示音后开始录音。",
            "您好，欢迎致电客户服务中心，您的来电对我们非常重要，请稍候。",
            "机主正忙，我是他的智能助理，请问您有什么事情需要我转达?",
            "这里是语音留言系统，请留下您的姓名和电话号码。",
            "喂，你好，我暂时不能接电话，请你晚一点再打过来。",
            "您所拨打的号码已开启免打扰功能，请在嘀声后留下语音信息。",
            "你好，我在开车，不方便接电话，到家以后给你打过去。",
            "欢迎使用语音信箱，请在听到嘟的一声后开始录音，录音完毕请挂机。",
            "感谢您致电客户服务热线，为了保证服务质量，您的通话将被录音。",
            "您好，全部座席都在忙，您前面还有三位客户在等待，请不要挂机。",
            "我是电话助手，主人现在没空，请告诉我您的姓名和来电目的。",
        ],
        (Split::Train, false) => &[
            "Hi, you've reached Tom. I can't come to the phone right now, please leave a message after the tone.",
            "Hello, this is the voicemail of five five five, one two three four. Please record your message after the beep.",
            "Thank you for calling. Our office is closed. Our opening hours are Monday to Friday from nine to five.",
            "The person you are trying to reach is not available. At the tone, please record your message.",
            "Welcome to the service line. For sales press one, for support press two.",
            "Hey, it's Jenny, sorry I missed your call, leave your name and number and I will call you back.",
            "You have reached the voice mailbox of Anna Miller. Please leave a message after the tone.",
            "Sorry, nobody is available to take your call at the moment. Please leave your name after the beep.",
            "Hello, we are currently helping other customers. Please hold the line, an agent will be with you shortly.",
            "Your call has been forwarded to an automatic voice message system. The number is not available.",
            "Hi, this is Peter. I am either on the other line or away from my desk. Leave me a message.",
            "Good day. This number is not attended at present. Please try again later or send us an email.",
            "Hello, no one can answer the phone just now, but if you leave your details we will ring you back.",
            "This is an automated answering service. Please say your name and the reason for your call.",
            "Hey, you know what to do, just leave me a message and I'll get back to you soon.",
            "Your call is important to us. All of our agents are busy at the moment. Please stay on the line.",
            "Good afternoon, and thank you for calling the medical centre. If this is an emergency, hang up now.",
            "The subscriber has not set up a mailbox yet. Please try your call again at another time.",
        ],
        (Split::HeldOut, true) => &[
            "您好，我正在开会，稍后给您回电话，如有急事请发短信。",
            "这是自动应答，您要找的人现在不在，请在信号音后留言。",
            "感谢您的来电，现在是下班时间，我们的工作时间是上午九点到下午六点。",
            "你好，你拨打的用户已开通智能助理，请问你是哪里，有什么事?",
            "对方暂时没有接听，滴声之后可以给对方留言，按井号键结束。",
            "您好，这里是王医生诊所，请在听到提示音后留下姓名和联系方式。",
        ],
        (Split::HeldOut, false) => &[
            "Hi there, I'm away from my phone. Leave your name, your number and a short message, and I'll get back to you.",
            "You've reached the Brown family. We're not home right now, so please talk after the beep.",
            "The customer you are calling is unavailable. Please leave a message, or press one for more options.",
            "Hello and welcome to city dental care. All our lines are busy, please stay on the line.",
            "This is David's phone. I'm probably driving. Please send me a text message instead.",
            "Please hold while I try to connect you. If you know the extension, you may dial it at any time.",
        ],
    }
}

/// People who say more before they wait: most are at work.
pub fn long_human(split: Split, chinese: bool) -> &'static [&'static str] {
    match (split, chinese) {
        (Split::Train, true) => &[
            "您好，这里是宏达公司，请问有什么可以帮您?",
            "你好，我是财务部的小刘，请问您找哪位?",
            "喂，您好，东方酒店前台，请讲。",
            "您好，人事部，我是陈丽。",
            "喂，你好，我是李明的爱人，他现在不在家。",
            "您好，请问您是哪位?",
            "你好，我是老张，你哪位?",
            "喂，你好，请问你找哪一位?",
        ],
        (Split::Train, false) => &[
            "Good morning, Miller and Sons, Sarah speaking, how can I help you?",
            "Hello, this is Peter from accounts, who am I speaking to?",
            "City garage, Mike speaking, what can I do for you?",
            "Hello, Johnson residence, this is Emma.",
            "Hi, this is Tom at Green Gardens, how may I help?",
            "Good morning, Smith residence.",
            "Hello? Who is calling, please?",
            "Hello, you're speaking to Mark.",
        ],
        (Split::HeldOut, true) => &[
            "您好，这里是光明书店，请问您需要什么?",
            "喂，你好，我是销售部的小赵，您哪位?",
            "您好，平安小区物业，请说。",
        ],
        (Split::HeldOut, false) => &[
            "Hello, this is Laura from Baker Street Dental, how can I help?",
            "Good afternoon, Riverside Hotel, David speaking.",
            "Hi, you're through to sales, this is Anna.",
        ],
    }
}

/// Machines that say no more than a person may.
pub fn short_machine(split: Split, chinese: bool) -> &'static [&'static str] {
    match (split, chinese) {
        (Split::Train, true) => &["请留言。", "请在滴声后留言。", "语音信箱。", "现在不在，请留言。"],
        (Split::Train, false) => &[
            "Please leave a message.",
            "Leave a message.",
            "Not here right now.",
            "This is Jack's voicemail.",
        ],
        (Split::HeldOut, true) => &["有事请留言。", "不在家，请留言。"],
        (Split::HeldOut, false) => &["Leave your name after the beep.", "Nobody is home."],
    }
}

/// What carriers say, with its label.
pub fn announcements(chinese: bool) -> &'static [(&'static str, &'static str)] {
    if chinese {
        &[
            ("empty_number", "您好，您拨打的号码是空号，请核对后再拨。"),
            ("switched_off", "您好，您拨打的电话已关机，请稍后再拨。"),
            ("out_of_service", "您好，您拨打的电话已停机，请稍后再拨。"),
            ("not_reachable", "您好，您拨打的电话暂时无法接通，请稍后再拨。"),
            ("line_busy", "您好，您拨打的电话正忙，请稍后再拨。"),
            ("in_a_call", "您好，您拨打的电话正在通话中，请稍后再拨。"),
        ]
    } else {
        &[
            (
                "empty_number",
                "Sorry, the number you have dialed does not exist. Please check it and dial again.",
            ),
            ("switched_off", "Sorry, the subscriber you dialed is powered off. Please redial later."),
            ("out_of_service", "Sorry, the number you dialed is out of service. Please redial later."),
            (
                "not_reachable",
                "Sorry, the subscriber you dialed cannot be connected for the moment. Please redial later.",
            ),
            ("line_busy", "Sorry, the subscriber you dialed is busy now. Please redial later."),
            (
                "in_a_call",
                "Sorry, the subscriber you dialed is talking to somebody else. Please hold on or redial later.",
            ),
        ]
    }
}
