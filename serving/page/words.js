// Every word that the page itself says, as [Chinese, English], and the language it says them in.
// A code of the wire that is not here is shown as it is.

const WORDS = {
  // The frame
  conversation: ["对话", "Conversation"], analysis: ["消息分析", "Message analysis"], views: ["视图", "Views"],
  viewChat: ["对话", "Chat"], viewAnalysis: ["分析", "Analysis"],
  tier: ["客户等级", "Customer tier"], tierUnknown: ["未知", "Unknown"], newConversation: ["新对话", "New conversation"],
  message: ["消息", "Message"], send: ["发送", "Send"], placeholder: ["输入顾客的话…", "Type what a customer would say…"],
  hint: ["Enter 发送，Shift+Enter 换行", "Enter sends, Shift+Enter breaks the line"],
  welcome: ["像顾客一样发一条消息", "Send a message as a customer would"],
  welcomeMore: ["分析面板会显示它的意图、情绪、优先级和命中的知识。",
    "The analysis panel then shows its intent, emotion, priority and the knowledge used."],
  examples: ["示例问题", "Example questions"], characters: ["字", "characters"], over: ["超出", "over by"],
  tooLong: ["一条消息最多 2000 字。文字还在输入框里，删短或分几条发送。",
    "A message may have 2000 characters. Your text is still in the box: shorten it, or send it in parts."],
  panelEmpty: ["发送第一条消息后，这里显示它的分析。", "After the first message, its analysis appears here."],
  listSeparator: ["、", ", "], yes: ["是", "yes"], no: ["否", "no"], none: ["无", "none"], close: ["关闭", "Close"],

  // The conversation
  typing: ["正在回复…", "Replying…"], customerSaid: ["顾客：", "Customer: "], botSaid: ["客服：", "Bot: "],
  suggestions: ["您可能想问", "Did you mean"], related: ["相关问题", "Related questions"],
  helpful: ["有帮助", "Helpful"], notHelpful: ["没有帮助", "Not helpful"], thanks: ["已记录，谢谢", "Noted, thank you"],
  feedbackFailed: ["没有记录成功", "Could not be saved"], why: ["为什么这样回复？", "Why this reply?"],
  handoffTitle: ["转人工客服", "Handed to a person"], handoffWhy: ["原因", "Reason"], handoffSummary: ["给客服的摘要", "Summary for the agent"],
  release: ["交还机器人", "Give back to the bot"], released: ["已交还机器人", "The bot has it again"],
  releaseFailed: ["没有交还成功", "Could not be given back"],
  silent: ["人工处理中", "Silent"], silentReply: ["人工客服处理中，机器人不再回复。", "A person has the conversation; the bot keeps quiet."],

  // What may go wrong
  retry: ["重试", "Retry"], failed: ["没有得到回复", "No reply"],
  offline: ["设备没有联网，连上后重试。", "This device is offline. Connect, then retry."],
  networkFailed: ["连接不上服务，请检查网络后重试。", "The service cannot be reached. Check the network, then retry."],
  timedOut: ["服务没有及时回复，请重试。", "The service did not reply in time. Please retry."],
  unreadable: ["服务的回复无法读取。", "The service's reply could not be read."],
  overloaded: ["服务正忙，请稍后重试。", "The service is busy. Retry in a moment."],
  state_unavailable: ["会话暂时读写不了，请稍后重试。", "Conversations cannot be stored just now. Retry in a moment."],
  bundle_unavailable: ["模型暂时不可用，请稍后重试。", "The model is not available just now. Retry in a moment."],
  too_many_requests: ["发送得太快了，请一分钟后重试。", "Too many messages. Retry in a minute."],
  invalid_text: ["这条消息里没有可以读的文字。", "The message holds nothing that can be read."],
  text_too_long: ["消息太长，请缩短。", "The message is too long. Shorten it."],
  internal: ["服务出错了，请重试。", "The service failed. Please retry."],
  notFound: ["这个服务没有此功能。", "This service does not offer that."],
  unauthorized: ["需要 API 密钥。", "An API key is needed."], forbidden: ["没有此权限，请换一个 API 密钥。", "This is not allowed without another API key."],
  keyLabel: ["API 密钥", "API key"], keyHint: ["只保存在这个标签页里。", "Kept in this tab only."],
  keySave: ["保存并重试", "Save and retry"],

  // The analysis
  decision: ["决策", "Decision"], intent: ["意图", "Intent"], knowledge: ["命中的知识", "Knowledge used"],
  priority: ["优先级", "Priority"], emotion: ["情绪", "Emotion"], reason: ["依据", "Reason"],
  model: ["模型包", "Model bundle"], latency: ["耗时", "Latency"], degraded: ["降级", "Degraded"],
  inScope: ["范围内", "In scope"], outOfScope: ["超出范围", "Out of scope"],
  oosConfidence: ["超范围概率", "Out-of-scope confidence"], alert: ["情绪预警", "Emotion alert"],
  emotionChart: ["情绪随轮次的变化", "Emotion over the turns"], band: ["级别", "Band"], urgency: ["紧急度", "Urgency"],
  businessType: ["业务", "Business"], factor: ["因素", "Factor"], value: ["取值", "Value"], points: ["得分", "Points"],
  inputsMissing: ["缺少的输入：", "Inputs missing: "], confidence: ["置信度", "Confidence"], score: ["相似度", "Similarity"],
  matched: ["匹配的相似问", "Matched question"], noEntry: ["没有直接采用的条目", "No entry was used for the answer"],
  candidates: ["候选", "Candidates"], alsoPresent: ["同时提到", "Also present"],

  // The explanation
  explanation: ["为什么", "Why"], explaining: ["正在解释…", "Explaining…"], explainFailed: ["没有得到解释。", "No explanation."],
  words: ["哪些词起了作用", "Which words counted"],
  wordsHint: ["数字是去掉这个词后，主意图置信度下降的百分点。", "Numbers: how many points the main intent's confidence falls without the word."],
  noWords: ["这条消息里没有文字。", "The message has no words."],
  path: ["规则路径", "Path of rules"], pathHint: ["按优先顺序检查，第一条成立的规则决定。", "Checked in order; the first that holds decides."],
  passedRules: ["之前检查过、不成立的规则", "Rules looked at before, which do not hold"], fired: ["成立", "Holds"], passed: ["不成立", "Does not hold"], entries: ["知识库候选", "Knowledge candidates"],
  features: ["置信度的组成", "What the confidence is made of"], thresholds: ["阈值与取值", "Thresholds and values"],
  threshold: ["阈值", "Threshold"], contribution: ["对数几率", "Log-odds"], neighbours: ["最相近的问题", "Nearest questions"], passes: ["编码次数", "Encoder passes"],
  otherNow: ["按现在的模型和本页的历史重新判断，结果与当时不同：", "Judged anew by the present model and this page's history, the result differs: "],

  // Codes of the wire
  answer: ["直接回答", "Answer"], suggest: ["推荐问题", "Suggest"], clarify: ["追问", "Clarify"],
  handoff: ["转人工", "Hand off"], fallback: ["未能回答", "Fallback"],
  neutral: ["平静", "Neutral"], satisfied: ["满意", "Satisfied"], confused: ["疑惑", "Confused"],
  anxious: ["焦虑", "Anxious"], disappointed: ["失望", "Disappointed"], angry: ["愤怒", "Angry"],
  repeated_question: ["重复提问", "Repeated question"],
  low: ["低", "Low"], medium: ["中", "Medium"], high: ["高", "High"], critical: ["紧急", "Critical"],
  regular: ["普通会员", "Regular"], silver: ["银卡会员", "Silver"], gold: ["金卡会员", "Gold"], platinum: ["白金会员", "Platinum"],
  presale: ["售前", "Presale"], promotion: ["促销", "Promotion"], order: ["订单", "Order"], payment: ["支付", "Payment"],
  invoice: ["发票", "Invoice"], logistics: ["物流", "Logistics"], aftersale: ["售后", "Aftersale"],
  account: ["账户", "Account"], review: ["评价", "Review"], service: ["服务", "Service"], chitchat: ["闲聊", "Small talk"],
  intent_urgency: ["意图紧急度", "Intent urgency"], business_type: ["业务类型", "Business type"],
  emotion_rising: ["情绪升级", "Emotion rising"], customer_tier: ["客户等级", "Customer tier"],
  customer_value: ["客户价值", "Customer value"], repetition: ["重复提问", "Repetition"], order_risk: ["订单风险", "Order risk"],
  waiting: ["等待时长", "Waiting time"], waiting_seconds: ["等待时长", "Waiting time"],
  second: ["第二次", "Second"], third: ["第三次", "Third"],
  text: ["文字", "text"], image: ["图片", "image"], card: ["卡片", "card"], link: ["链接", "link"], emoji: ["表情", "emoji"],
};

// Reasons of a decision (also the names of the rules), of a handoff, facts of a rule, thresholds, features: each in its own
// drawer, since `emotion` is a card, a rule and a factor.
const DRAWERS = {
  reason: {
    handed_off: ["已转人工", "A person has it"], outside_opening_hours: ["人工不在服务时间", "Outside opening hours"],
    wordless: ["没有文字", "No words"], wordless_image: ["只有图片", "Only a picture"], wordless_card: ["只有卡片", "Only a card"],
    wordless_link: ["只有链接", "Only a link"], wordless_emoji: ["只有表情", "Only emoji"],
    user_request: ["顾客要求人工", "The customer asks for a person"], policy: ["规则要求人工", "Policy wants a person"],
    emotion: ["顾客情绪激动", "The customer is upset"], clarification_dropped: ["顾客放弃追问的事", "The customer gives it up"],
    nod: ["只应答，没回答追问", "A nod instead of a reply"], slot_filled: ["回答了追问", "Replies to the open question"],
    slots_complete: ["信息已齐，转人工办理", "All is known, a person takes over"],
    number_alone: ["只发来单号", "Only a number"], repeated_miss: ["连续未能回答", "Missed repeatedly"], out_of_scope: ["超出范围", "Out of scope"],
    missing_slots: ["缺少信息，需要追问", "Information is missing"], chitchat: ["寒暄", "Small talk"],
    chitchat_greeting: ["问候", "Greeting"], chitchat_thanks_bye: ["感谢告别", "Thanks or goodbye"], chitchat_ack: ["应答", "Acknowledgement"],
    chitchat_other: ["闲聊", "Small talk"], faq_above_direct: ["知识够确定，直接回答", "An entry is sure enough to answer"],
    faq_above_suggest: ["知识有可能，推荐问题", "Entries are likely enough to offer"],
    praise: ["顾客满意，没有要问的", "Happy, and asks for nothing"], nothing_fits: ["没有合适的内容", "Nothing fits"],
  },
  fact: {
    handed_off: ["已转人工", "handed off"], kind: ["类型", "kind"], intents: ["意图", "intents"], intent: ["主意图", "intent"],
    human_intent: ["人工意图", "intent for a person"], human: ["人工概率", "probability"],
    human_share: ["次要意图下限", "least as a second want"], handoff_intents: ["须转人工的意图", "intents for a person"],
    angry: ["愤怒", "anger"], anger_handoff: ["转人工阈值", "handoff threshold"], out_of_scope: ["超范围概率", "out of scope"],
    out_of_scope_threshold: ["阈值", "threshold"], open_clarification: ["进行中的追问", "open question"],
    give_up_word: ["放弃的说法", "words of giving up"], asked: ["在问", "asked for"], filled: ["已填", "filled"],
    number: ["只是单号", "only a number"], before: ["此前的意图", "want before"],
    would_miss: ["答不上来", "would miss"], misses: ["连续未答", "misses in a row"], repeated_misses: ["上限", "limit"],
    intent_confidence: ["意图置信度", "intent confidence"], certain_intent: ["确信线", "certain from"],
    faq_confidence: ["知识置信度", "entry's confidence"], faq_direct: ["直接回答阈值", "direct threshold"],
    faq_calibrated: ["问法已校准", "question was calibrated"], wants: ["分句命中", "entries of its parts"],
    faq_suggest: ["推荐阈值", "suggest threshold"], intent_threshold: ["阈值", "threshold"],
    sure_of_intent: ["意图可靠", "sure of intent"], sure_of_small_talk: ["确是寒暄", "surely small talk"], emotion: ["情绪", "emotion"], emotion_confidence: ["情绪置信度", "emotion confidence"], missing_slots: ["缺少", "missing"],
  },
  threshold: {
    faq_direct: ["知识：直接回答", "Entry: answer"], faq_suggest: ["知识：推荐", "Entry: suggest"], intent: ["意图可靠", "Intent relied upon"],
    intent_margin: ["领先第二意图", "Lead over the second intent"], presence: ["意图存在", "Intent present"],
    out_of_scope: ["超出范围", "Out of scope"], anger_alert: ["愤怒预警", "Anger alert"],
    anger_handoff: ["愤怒转人工", "Anger hands off"], anxiety_alert: ["焦虑预警", "Anxiety alert"],
    repeat: ["与上一条的相似度", "Likeness to the last message"],
  },
  feature: {
    ngram: ["字词片段相似", "Character n-grams"], ngram_margin: ["字词片段相似：领先", "Character n-grams: lead"],
    ngram_support: ["多条片段支持", "N-gram support"], ngram_support_margin: ["多条片段支持：领先", "N-gram support: lead"],
    intent_agreement: ["意图一致", "Intent agrees"], intent_agreement_margin: ["意图一致：领先", "Intent agrees: lead"],
    presence: ["意图存在", "Intent present"], presence_margin: ["意图存在：领先", "Intent present: lead"],
    match: ["最像的问法含有您的词", "Words in the likest question"], match_margin: ["最像的问法含有您的词：领先", "Words in the likest question: lead"],
    match_back: ["您的话含有它的词", "Its words in the message"], match_back_margin: ["您的话含有它的词：领先", "Its words in the message: lead"],
    both: ["与最像的问法互相对应", "Likest question, both ways"], both_margin: ["与最像的问法互相对应：领先", "Likest question, both ways: lead"],
    asked: ["某个问法含有您的词", "Words in some question"], asked_margin: ["某个问法含有您的词：领先", "Words in some question: lead"],
    covered: ["各问法合起来覆盖", "Words in all questions"], covered_margin: ["各问法合起来覆盖：领先", "Words in all questions: lead"],
    least_covered: ["最没被覆盖的词", "Least covered word"], least_covered_margin: ["最没被覆盖的词：领先", "Least covered word: lead"],
    told: ["答案提到", "Words in the answer"], told_margin: ["答案提到：领先", "Words in the answer: lead"],
    least_told: ["答案最没提到的词", "Word least told"], least_told_margin: ["答案最没提到的词：领先", "Word least told: lead"],
    held: ["问法与答案合起来覆盖", "Words in questions or answer"], held_margin: ["问法与答案合起来覆盖：领先", "Words in questions or answer: lead"],
    least_held: ["最没着落的词", "Word least held"], least_held_margin: ["最没着落的词：领先", "Word least held: lead"],
    unanswered_cosine: ["像无答案的问题", "Near an unanswered question"], unanswered_match: ["与无答案问题逐词相像", "Words of an unanswered question"],
    exact: ["一字不差", "Word for word"],
  },
};

let language = saved();

// Storage throws where cookies are blocked; the page works without it.
function saved() {
  try {
    return localStorage.getItem("kefu-language") === "en" ? "en" : "zh";
  } catch {
    return "zh";
  }
}

export const currentLanguage = () => language;

export function setLanguage(wanted) {
  language = wanted === "en" ? "en" : "zh";
  document.documentElement.lang = language === "en" ? "en" : "zh-CN";
  try {
    localStorage.setItem("kefu-language", language);
  } catch {
    // Not remembered, and that is all.
  }
}

// `code` may name a drawer: "reason/emotion".
export function word(code) {
  const name = String(code ?? "");
  const [drawer, own] = name.split("/");
  const [words, key] = own !== undefined && Object.hasOwn(DRAWERS, drawer) ? [DRAWERS[drawer], own] : [WORDS, name];
  return Object.hasOwn(words, key) ? words[key][language === "en" ? 1 : 0] : key;
}

export const isWord = (code) => Object.hasOwn(WORDS, code);
