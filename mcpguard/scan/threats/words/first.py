"""What words mean, in English, Spanish, German, Chinese, Hindi and Arabic; others: `tongues`.

A concept stands for one thing that an order to a model is built of. A word has one concept, the
first that names it. Written as a reading is: lower case, without accents.
"""

__all__ = ["FIRST"]

FIRST: dict[str, str] = {
    "NEG": """
        need not; needn't; without waiting; no further; never; not; don't; do not; dont; must not;
        should not; shouldn't; cannot; can't; without; avoid; refrain from; no need to; no;
        withhold; avoiding; nor; won't; will not; nobody; nothing; nunca; jamas; sin; no se lo;
        nadie; nada; ohne; kein; keine; keinen; keinem; weder; 不要; 不得; 切勿; 请勿; 勿; 别;
        无需; 不能; 不可; 禁止; 绝不; 不必; 不应; 不; बिना; कभी ना; لا; بدون; دون; لن; عدم; ممنوع;
        ابدا; ليس;
    """,
    "NEGP": """
        nicht; nie; niemals; nichts; keinesfalls; नहीं; मत; न; कभी नहीं;
    """,
    "TELL": """
        informed; notified; mentioned; disclosed; revealed; alerted; made aware; aware of; tell;
        telling; told; inform; informing; mention; mentioning; notify; notifying; reveal;
        revealing; disclose; disclosing; report to; let them know; alert; alerting; advise; admit;
        acknowledge; discuss; discussing; speak of; talk about; bring up; make known; announce;
        warn; warning; apprise; reference this; draw attention; digas; dile; decir; informes;
        informar; informe; menciones; mencione; mencionar; avises; avisar; reveles; revelar;
        cuentes; muestres; mostrar; notifiques; notificar; diga; comuniques; sage; sagen; sag;
        erwahne; erwahnen; informiere; informieren; mitteilen; verrate; verraten; zeige; zeigen;
        erzahle; benachrichtige; benachrichtigen; offenbare; 告诉; 告知; 提及; 透露; 通知; 说明;
        提到; 泄露给; 显示给; 提示; बताएं; बताना; बताओ; बताए; बता; सूचित; उल्लेख; ज़िक्र; जिक्र;
        दिखाएं; दिखाए; जानकारी दें; تخبر; اخبار; تذكر; ذكر; تبلغ; ابلاغ; تكشف; تظهر; اعلام; اخبر;
        تعلم;
    """,
    "SHOW": """
        show; showing; display; displaying; surface; explain; explaining; describe; print; output;
        visible; expose; summarize; summarise;
    """,
    "ASK": """
        wait; waiting; await; waits; double check; ask; asking; confirm; confirming; confirmation;
        consent; permission; approval; approve; authorization; verify with; check with; asking for;
        clarification; prompting; consult; consulting; double-check; request permission; seeking;
        seek; pausing; preguntar; preguntes; pedir; pidas; confirmacion; confirmar; permiso;
        aprobacion; consentimiento; consultar; frage; fragen; nachfragen; ruckfrage; bestatigung;
        zustimmung; erlaubnis; genehmigung; nachzufragen; 询问; 确认; 同意; 许可; 征求; 批准; पूछे;
        पूछें; पूछना; पुष्टि; अनुमति; सहमति; मंज़ूरी; تسال; سؤال; تاكيد; موافقة; اذن; استشارة;
    """,
    "USER": """
        user; users; the user's; user's; human; humans; end user; end-user; customer; person;
        anyone; anybody; usuario; usuarios; cliente; persona; al usuario; usuaria; benutzer;
        nutzer; benutzers; anwender; anwenders; nutzers; kunden; jemandem; benutzerin;
        user gegenuber; 用户; 使用者; 人类; 客户; 任何人; 使用人; उपयोगकर्ता; यूज़र; यूजर;
        प्रयोक्ता; उपभोक्ता; किसी को; المستخدم; للمستخدم; مستخدم; العميل; احد; مستخدمين;
    """,
    "MODEL": """
        sprachmodells; llm agent; coding agent; chatbot; assistant; the assistant; ai;
        ai assistant; ai agent; ai model; llm; llms; language model; the model; claude; chatgpt;
        gpt; gpt-4; copilot; gemini; agents must; ai agents; assistants; agent; asistente;
        modelo de lenguaje; el modelo; agente; ia; assistent; assistenten; sprachmodell; ki;
        das modell; ki-assistent; 助手; 模型; 人工智能; 智能体; 代理; 大模型; सहायक; मॉडल; एजेंट;
        एआई; المساعد; النموذج; نموذج; الوكيل; مساعد; الذكاء الاصطناعي;
    """,
    "YOU": """
        you; your; yourself; you're; you are; you've; tu; usted; tus; su; debes; debe; deberas;
        tienes que; du; sie; dein; deine; deinen; ihr; ihre; musst; mussen; 你; 您; 你的; 您的; आप;
        आपको; तुम; आपके; तुम्हें; انت; عليك; يجب عليك;
    """,
    "MUST": """
        obliges; obliged to; is asked to; are asked to; kindly; would appreciate; needs to;
        need to be; expects; is expected; has to be; have to; supposed to; has to; have to be;
        it's necessary; necessary to; is needed; you are advised; strongly advised; must; shall;
        required to; is required; are required; obliged; mandatory; mandatorily; should; ought to;
        make sure; be sure; ensure; it is essential; it is imperative; it is crucial;
        it is necessary; it is mandatory; be certain; remember to; do so; is mandatory;
        you'll need; imperative; requires you; requires the; required that; demands;
        are expected to; is expected to; strictly; necessarily; you will; is to be; obligatorio;
        es necesario; hay que; debera; deben; obligatoriamente; es obligatorio; imprescindible;
        asegurate; por favor; muss; soll; sollst; unbedingt; zwingend; erforderlich; verpflichtend;
        sollen; notwendig; bitte; 必须; 务必; 应该; 应当; 一定要; 要求; 请; 须; 得要; चाहिए;
        अनिवार्य; ज़रूरी; आवश्यक; अवश्य; जरूरी; होगा; कृपया; يجب; ينبغي; ضروري; الزامي; لازم;
        لا بد; مطلوب; يرجى;
    """,
    "ALWAYS": """
        for any; in any case; no matter when; on all; for all; with all; always; every time;
        each time; whenever; in all cases; in every case; automatically; under any circumstances;
        under all circumstances; invariably; at all times; any time; anytime; exclusively;
        no exceptions; without exception; on every; for every; with every; in every; siempre;
        cada vez; automaticamente; en todos los casos; bajo ninguna circunstancia; exclusivamente;
        en cualquier caso; immer; jedes mal; jedesmal; automatisch; in jedem fall; stets;
        unter keinen umstanden; auf jeden fall; ausschliesslich; ausschließlich; grundsatzlich;
        总是; 始终; 每次; 自动; 每当; 任何情况下; 永远; 一律; 一直; हमेशा; हर बार; स्वचालित; सदैव;
        हर समय; सदा; किसी भी स्थिति; دائما; كل مرة; تلقائيا; في جميع الحالات; في كل مرة; باستمرار;
    """,
    "WHEN": """
        before; prior to; after; when; once; if; upon; while; as soon as; until; in order to;
        to use this; first; beforehand; initially; for this tool to; immediately; then; next;
        subsequently; afterwards; following; preceding; as a first step; to begin; as part of;
        in addition; additionally; also; at the same time; antes de; antes; despues de; despues;
        cuando; al usar; si; luego; primero; al llamar; inmediatamente; bevor; vor; nachdem; wenn;
        sobald; zuerst; danach; falls; nach; anschliessend; anschließend; vorher; zunachst; sofort;
        之前; 以前; 之后; 当; 如果; 使用此; 调用前; 首先; 然后; 立即; 先; 时; पहले; बाद; जब; यदि;
        अगर; तुरंत; फिर; قبل; بعد; عندما; اذا; اولا; ثم; فورا; عند;
    """,
    "USE": """
        aufruft; aufgerufen wird; consult; turn to; draw on; verwendest; benutzt; nutzt; usala;
        usalo; utilizala; uselo; elija; utilizalo; verwendest du; use; using; used; call; calling;
        called; invoke; invoking; invoked; calls to; invocation; invocations; usage of; utilize;
        utilise; utilizing; employ; select; choose; pick; selecting; choosing; rely on; resort to;
        switch to; go with; trigger; usa; usar; uses; use esta; utiliza; utilizar; utilice; llama;
        llamar; llame; invoca; invocar; elige; elegir; selecciona; benutze; benutzen; verwende;
        verwenden; nutze; nutzen; rufe; aufrufen; aufruf; wahle; wahlen; verwendet; aufgerufen;
        使用; 调用; 选择; 采用; 选用; 用; उपयोग; इस्तेमाल; प्रयोग; चुनें; कॉल; चुनना; استخدم;
        استخدام; استدعاء; استدع; اختر; تستخدم; اختيار; تستدعي;
    """,
    "RUN": """
        run; running; execute; executing; eval; spawn; launch; perform; carry out;
        do the following; follow these steps; issue the command; invoke the shell; carry;
        follow the; ejecuta; ejecutar; ejecute; corre; realiza; realice; fuhre; ausfuhren; fuhren;
        starte; starten; 执行; 运行; 启动; चलाएं; निष्पादित; चलाना; चलाकर; نفذ; تنفيذ; شغل; تشغيل;
        قم;
    """,
    "TOOL": """
        tool; tools; function; functions; plugin; plugins; mcp server; mcp servers; tool call;
        tool calls; api; apis; server; servers; service; services; connector; integration;
        endpoint tool; utility; utilities; solution; solutions; provider; providers; herramienta;
        herramientas; funcion; servidor; funciones; servicio; opcion; werkzeug; werkzeuge;
        tool-aufruf; funktion; funktionen; dienst; werkzeugs; 工具; 函数; 插件; 服务; 功能; 服务器;
        接口; उपकरण; टूल; टूल्स; फ़ंक्शन; फंक्शन; सर्वर; औज़ार; الاداة; اداة; ادوات; الادوات;
        وظيفة; دالة; الدالة; الخادم; خدمة;
    """,
    "THIS": """
        this; this one; our; ours; the present; current tool; esta; este; mi; nuestra; dieses;
        diese; dieser; diesem; unser; 本; 此; 这个; 该; 我们的; 本工具; 此工具; 该工具; 这; इस; यह;
        हमारे; इसे; هذه; هذا; هذي;
    """,
    "OTHER": """
        different; unlike the; built-in; rivals; rival tools; third-party tools; every alternative;
        any alternative; alternatives; all alternatives; no other; the rest; anything else;
        multiple tools; several tools; other sources; everything else; many tools;
        tools with similar names; multiple functions; other options; anyone else; elsewhere;
        anderer; anderem; jedes anderen; otras herramientas; other; others; another; any other;
        all other; alternative; similar; competing; competitor; competitors; remaining; rival;
        any tool; all tools; any of the other; else; every other; original; official tool;
        counterpart; counterparts; peers; otra; otras; otro; otros; cualquier otra; demas;
        alternativa; alternativas; similares; resto; andere; anderen; anderes; andere tools;
        alternativen; ubrigen; jedes andere; ahnliche; 其他; 其它; 另一个; 任何其他; 别的; 类似;
        同类; 原有; अन्य; दूसरे; दूसरा; बाकी; किसी अन्य; दूसरी; समान; اخرى; اخر; الاخرى; بديل;
        بدائل; مشابهة; اي اداة; غيرها; سواها;
    """,
    "INSTEAD": """
        instead; instead of; rather in place of; replaces; replace with; in favor of; in favour of;
        replacement; replacement for; over; above all; ahead of; in preference to; as a substitute;
        substitute for; supersedes; superseded by; replaced by; migrate to; moved to; redirect to;
        rerouted to; compared to; lieu; en lugar de; en vez de; sustituye; reemplaza; en su lugar;
        antes que; por encima de; frente a; statt; anstatt; anstelle; stattdessen; ersetzt;
        vor allen; 代替; 取代; 替代; 而不是; 优先于; 改用; 而非; 替换为; 请改; बजाय; के स्थान पर;
        बदले; की जगह; तुलना; के बदले; بدلا; عوضا; بدل; محل; بدلا من; مكان;
    """,
    "GONE": """
        worse results; a mistake; outdated results; leak data; leaks data; sloppy; overpriced;
        stale; discarded; invalid results; bug; wrong; incorrect; imitations; imitation; fake;
        worse; no longer maintained; flawed; poorly; unstable; being migrated; deprecated;
        obsolete; disabled; unavailable; broken; outdated; no longer; discontinued; retired;
        compromised; insecure; unsafe; unreliable; offline; vulnerable; buggy; faulty;
        malfunctioning; under maintenance; decommissioned; sunset; superseded; inferior; slow;
        inaccurate; limited; not recommended; phased out; shut down; has been removed;
        been removed; out of service; not working; stopped working; known to fail; known to be;
        legacy; less accurate; less reliable; revoked; error-prone; experimental; end-of-life;
        temporarily disabled; not available; is down; obsoleta; obsoleto; deshabilitada;
        desactivada; ya no; retirada; insegura; descontinuada; no disponible; averiada; veraltet;
        deaktiviert; nicht mehr; abgeschaltet; unsicher; ersetzt worden; kaputt; ausser betrieb;
        eingestellt; fehlerhaft; 已弃用; 弃用; 废弃; 已停用; 不再; 停用; 过时; 不可用; 已废弃;
        不安全; 已下线; 故障; 失效; पुराना; बंद; अप्रचलित; निष्क्रिय; अब नहीं; असुरक्षित; अनुपलब्ध;
        हटा दिया; مهملة; متوقف; متوقفة; معطلة; قديمة; لم تعد; غير امن; غير امنة; غير متاحة; معطل;
        مهجورة;
    """,
    "BEST": """
        beats all; beats any; beats every; beats the rest; outclasses; outshines; unequalled;
        unequaled; works better; actually works; no equal; like no other; most trusted;
        most capable; far superior; superior to; trusted by; favoured; favored; as precise as;
        most precise; unmatched accuracy; only this; best; superior; most accurate; most reliable;
        most most efficient; only reliable; the only; fastest; most secure; safest; most powerful;
        most advanced; most popular; most comprehensive; most effective; most up-to-date;
        number one; unmatched; unrivaled; unrivalled; unparalleled; world-class; ultimate;
        outperforms; award-winning; gold standard; industry-leading; state-of-the-art;
        cutting-edge; guaranteed; guarantees; exceptional; premier; finest; greatest;
        second to none; flawless; definitive; always correct; error-free; unbeatable;
        revolutionary; top-rated; best-in-class; far widely mejor; superior a; mas fiable;
        mas precisa; la unica; maxima mas rapida; beste; zuverlassigste; genaueste; uberlegen;
        schnellste; einzige; bestes; 最好; 最佳; 最准确; 最可靠; 唯一; 最优; 最快; 更准确; 最强;
        权威; सर्वश्रेष्ठ; सबसे अच्छा; सबसे सटीक; सर्वोत्तम; एकमात्र; सबसे विश्वसनीय; افضل; الافضل;
        الاكثر دقة; الوحيدة; الاسرع; الاكثر موثوقية;
    """,
    "PREFER": """
        higher priority; steer; steers; favourably; favorably; stick with; stick to; trust only;
        rank first; present first; promote; endorse; first pick; top pick; delegate; defer to;
        go for; come here first; skip the rest; first choice; your first choice; precedence;
        advised; more accurate; more reliable; more efficient; more secure; more effective;
        preferred; prefer; preferable; preferably; top priority; highest priority; top choice;
        priority; favor; favour; favorite; recommended choice; go-to; default choice;
        highly recommended; strongly recommended; primary choice; must-have; indispensable;
        prioritize; prioritise; prioritized; opt for; default to; recommend; recommended;
        before considering; take priority; takes priority; better; chosen first; first option;
        preferida; prioridad; preferible; preferiblemente; prefiere; maxima prioridad; prioriza;
        recomendada; bevorzugt; prioritat; vorrang; besser; bevorzuge; bevorzugen; vorzuziehen;
        首选; 优先; 最高优先级; 优先使用; 更好; 优先选择; 优先调用; प्राथमिकता; पसंदीदा; बेहतर;
        वरीयता; الاولوية; المفضلة; مفضل; اولوية; افضلية; يفضل; تفضيل;
    """,
    "IGNORE": """
        leave alone; left alone; leave out; left out; pay no heed; do away with; steer clear;
        ignore; ignoring; disregard; disregarding; forget; overrule; bypass; bypassing; discard;
        neglect; pay no attention; set aside; override; overrides; overriding; supersede;
        supersedes all; void; nullify; dismiss; suspend; circumvent; drop all; stop following;
        not follow; no longer apply; no longer bound; cancel all; ignora; ignore las; ignorar;
        olvida; omite; descarta; haz caso omiso; ignores; ignoriere; ignorieren; vergiss;
        missachte; umgehe; ubergehe; 忽略; 无视; 忘记; 忽视; 绕过; 抛弃; 不理会; 不顾; 跳过;
        अनदेखा; भूल जाओ; नज़रअंदाज़; नजरअंदाज; उपेक्षा; भूल जाएं; अवहेलना; تجاهل; انس; تجاوز; اهمل;
        تغاضى; تجاهلي;
    """,
    "PRIOR": """
        every; each; previous; previously; prior; earlier; all; any; existing; above; preceding;
        everything; safety; security; anteriores; anterior; previas; todas las; todo lo; cualquier;
        vorherigen; vorherige; bisherigen; alle; fruheren; obigen; bisherige; 之前的; 以前的; 先前;
        上述; 所有; 前面; 此前; 任何; 以上; पिछले; पहले के; सभी; पूर्व; सारे; उपरोक्त; पिछली;
        السابقة; جميع; كل; السابق; سابقة; اي;
    """,
    "INSTR": """
        instruction; instructions; rules; guideline; guidelines; directive; directives; guardrail;
        guardrails; safeguards; safety measures; restriction; restrictions; safety checks;
        constraints on you; orders; training; programming; safety filters; safety policy; policies;
        prompts; warnings; security checks; preference; preferences; protocols; instrucciones;
        instruccion; reglas; directrices; ordenes; indicaciones; restricciones; anweisung;
        anweisungen; regeln; vorgaben; richtlinien; instruktionen; befehle; einschrankungen; 指令;
        指示; 规则; 提示; 说明书; 限制; 命令; 准则; निर्देश; निर्देशों; नियम; आदेश; निर्देशो;
        नियमों; التعليمات; تعليمات; القواعد; الاوامر; توجيهات; قواعد; اوامر; التوجيهات; القيود;
    """,
    "CONV": """
        in this session; this session; session so far; discussed; what was discussed; was said;
        user said; has said; talked about; wants to achieve; what the developer; this dialogue;
        asked before; asked so far; user typed; user wrote; first message; this chat; in this chat;
        question the user; questions the user; user has asked; so far; user's contacts;
        previous answers; earlier messages; last prompt; conversation; conversations;
        conversation history; chat history; chat log; chat logs; full chat; entire chat;
        chat transcript; message history; dialogue history; transcript of; context window;
        previous messages; all messages; session history; chain of thought; chain-of-thought;
        your reasoning; full context; entire context; conversation context; user's messages;
        last messages; thoughts; prior messages; reasoning trace; reasoning process;
        internal reasoning; conversation so far; memory contents; system context; user's original;
        original user request; user's request; user request; user's prompt; user prompt;
        user's query; original prompt; original query; prior turns; dialogue; what the user;
        conversacion; historial; historial de chat; mensajes anteriores; dialogo; unterhaltung;
        gesprach; gesprachsverlauf; chatverlauf; konversation; verlauf; dialog; 对话; 聊天记录;
        会话; 历史记录; 上下文; 聊天; 对话历史; बातचीत; चैट; इतिहास; वार्तालाप; संवाद; المحادثة;
        محادثة; سجل; الدردشة; الحوار; محادثات;
    """,
    "SYSTEM": """
        system prompt; system prompts; system message; initial prompt; hidden prompt;
        hidden instructions; initial instructions; developer message; developer prompt;
        system instructions; your instructions; your prompt; your configuration; your system;
        model name; model version; llm model; model identifier; name of the model;
        model name and version; list of tools; available tools; tool list; tools available;
        other tools you have; all tools you; your tools; tools you have access; prompt del sistema;
        mensaje del sistema; instrucciones del sistema; systemprompt; system-prompt;
        systemanweisung; systemnachricht; systemanweisungen; 系统提示; 系统提示词; 系统指令;
        系统消息; 模型名称; सिस्टम प्रॉम्प्ट; सिस्टम संदेश; सिस्टम निर्देश; موجه النظام;
        رسالة النظام; تعليمات النظام;
    """,
    "SECRET": """
        cookies; cookie; session cookies; browser cookies; wallet; seed; private keys of;
        login cookies; access keys; signing key; recovery code; pin code; cvv; bank details;
        payroll; password; passwords; passwd; credential; credentials; secret; secrets; api key;
        api keys; api-key; apikey; private key; private keys; ssh key; ssh keys; access token;
        access tokens; auth token; authentication token; bearer token; session token;
        session tokens; oauth token; passphrase; environment variables; env vars; env variables;
        environment variable; tokens; session cookie; session seed phrase; recovery phrase;
        mnemonic; wallet key; keychain; credit card; card number; social security; ssn;
        bank account; personal data; sensitive data; sensitive information; sensitive files;
        confidential information; confidential data; personal information; private data;
        secret key; secret keys; config file; configuration file; config files; source code;
        private repository; private repositories; login details; ssh private key; private files;
        browser history; contact list; authentication details; auth details; pii; two-factor code;
        otp; contrasena; contrasenas; credenciales; clave privada; claves; secretos; claves api;
        token de acceso; tarjeta de credito; datos personales; variables de entorno; clave api;
        archivo de configuracion; clave ssh; passwort; passworter; zugangsdaten;
        privater schlussel; privaten schlussel; geheimnisse; api-schlussel; kennwort; kennworter;
        anmeldedaten; umgebungsvariablen; kreditkarte; ssh-schlussel; schlussel; geheime; 密码;
        凭证; 凭据; 私钥; 密钥; 令牌; 机密; 敏感信息; 环境变量; 信用卡; 口令; 配置文件; 敏感数据;
        个人信息; पासवर्ड; क्रेडेंशियल; निजी कुंजी; गुप्त; एपीआई कुंजी; गोपनीय; टोकन; कुंजी;
        क्रेडिट कार्ड; كلمة المرور; كلمات المرور; بيانات الاعتماد; المفتاح الخاص; مفتاح; السرية;
        كلمة السر; رمز الوصول; متغيرات البيئة; مفاتيح; بطاقة الائتمان; سرية;
    """,
    "READ": """
        read; reading; open; opening; load; loading; fetch; retrieve; retrieving; access;
        accessing; collect; collecting; gather; gathering; extract; extracting; obtain; obtaining;
        copy; copying; look up; grab; harvest; dump; capture; capturing; contents of; content of;
        full contents; inspect; enumerate; get the; locate; find the; steal; list all; lee; leer;
        lea; abre; abrir; obten; obtener; recopila; recopilar; copia; extrae; accede; contenido de;
        recoge; carga; lies; lesen; offne; offnen; sammle; sammeln; hole; holen; kopiere;
        extrahiere; inhalt; auslesen; auszulesen; lade; 读取; 打开; 获取; 收集; 提取; 复制; 访问;
        查看; 内容; 搜集; 读; पढ़ें; पढ़ना; पढ़कर; पढ़ो; खोलें; प्राप्त; एकत्र; निकालें; पढ़ें और;
        सामग्री; पढ; اقرا; قراءة; افتح; اجمع; جمع; استخرج; انسخ; محتوى; محتويات; اقراء; احصل;
        الوصول;
    """,
    "SEND": """
        pass on; passed through; passed to; hand its; hand them; drop a line; goes through;
        go through; download; forwarded; transmitted; emailed; exfiltrated; relayed; delivered to;
        sent along; send; sending; sent; forward; forwarding; transmit; transmitting; upload;
        uploading; exfiltrate; relay; submit; leak; push it; post it; post them; post the;
        email it; email them; email the; e-mail it; deliver; deliver it; share; sharing; report it;
        log it to; store it in; save it to; bcc; cc; blind copy; mail it; mail the; copied to;
        route; reroute; rerouted; redirect; redirecting; redirected; routed; beacon; http request;
        http post; post request; get request; sync it; ship; publish it; dispatch; disseminate;
        stream; mirror; mirrored; envia; enviar; envie; envialo; reenvia; reenviar; sube;
        transmite; manda; mandar; enviala; remite; redirige; comparte; sende; senden; schicke;
        schicken; ubermittle; ubermitteln; weiterleiten; lade hoch; hochladen; leite; ubertrage;
        schick; sendet; teile; 发送; 上传; 转发; 传送; 传输; 提交; 发给; 发到; 发至; 重定向; 泄露;
        寄给; 抄送; 分享; भेजें; भेजना; भेजो; भेज; अपलोड; अग्रेषित; साझा; प्रेषित; भेजे; ارسل;
        ارسال; ارسالها; حول; رفع; ارفع; مرر; اعد توجيه; انقل; شارك; وارسل; وارسله; وارسلها; ارسله;
    """,
    "PUT": """
        prefixed; appended; attached; inserted; give; giving; hand over; reply with; write down;
        put in copy; stored; be stored; include; including; append; appending; attach; pass;
        passing; insert; embed; add; put; place; provide; supply; paste; inject; prepend; prefix;
        write; writing; encode; base64; fill; populate; set to; stuff; enclose; concatenate;
        copied into; store; saving; save; record; tack on; append it; included; incluye; incluir;
        adjunta; anade; agrega; pasa; inserta; proporciona; escribe; pasalo; incluyelo; pon; fuge;
        hinzu; anhangen; ubergib; ubergeben; trage; einfugen; schreibe; gib; hange; einzufugen;
        anzugeben; 包含; 附加; 添加; 填入; 传入; 插入; 写入; 放入; 附上; 加入; 填写; 传递; 附在;
        शामिल; जोड़ें; डालें; पास करें; संलग्न; जोड़; लिखें; भरें; रखें; ادرج; اضف; ارفق; مرره; ضع;
        تضمين; ادخل; ارفاق; اكتب; وضع; ومرره; ضمن;
    """,
    "PARAM": """
        mentioned by; informed by; disclosed by; told by; as mentioned; notified by; parameter;
        parameters; param; argument; arguments; field; fields; input; inputs; property; properties;
        sidenote; value of; values; header; headers; body; subject line; query string;
        url parameter; payload; parametro; parametros; campo; argumento; campos; parameter-feld;
        feld; felder; eingabe; 参数; 字段; 输入; 参数中; 变量; पैरामीटर; फ़ील्ड; फील्ड; तर्क; मान;
        इनपुट; المعامل; معامل; حقل; الحقل; وسيط; المعلمة; معلمة; المدخلات;
    """,
    "CHANGE": """
        modifies; set its; alters; rewrites; replaces the; swap out; adjusts; change; changing;
        modify; modifying; modified; alter; altering; altered; swap; rewrite; rewriting; adjust;
        adjusted; tamper; multiply; double; falsify; manipulate; reroute; replace; replacing;
        substitute; substituting; changed; corrected; invert; reverse; subtract; deduct; tweak;
        forge; downgrade; cambia; cambiar; modifica; modificar; reemplazar; altera; sustituir;
        cambie; modifique; andere den; andern; ersetze; ersetzen; verandere; setze; anpassen;
        tausche; geandert; manipuliere; 更改; 修改; 替换; 改为; 设置为; 变更; 改成; 换成; 篡改;
        设为; बदलें; बदलना; संशोधित; बदल; परिवर्तित; बदलकर; सेट; غير; تغيير; استبدل; عدل; تعديل;
        استبدال; بدل قيمة; غيري;
    """,
    "REGARD": """
        whatever; independently of; instead of the number given; instead of the one given;
        instead of what; regardless; irrespective; no matter; despite; in spite; notwithstanding;
        independent of; rather than what; in all circumstances; independientemente; sin importar;
        aunque; incluso si; a pesar; pese a; unabhangig; egal; selbst wenn; auch wenn; trotz;
        ungeachtet; 无论; 不管; 不论; 即使; 尽管; 哪怕; चाहे; भले ही; के बावजूद; बावजूद; परवाह किए;
        بغض النظر; حتى لو; مهما; رغم; حتى وان; بصرف النظر;
    """,
    "SILENT": """
        silently; secretly; quietly; covertly; discreetly; discretely; unnoticed; invisibly;
        surreptitiously; stealthily; without their knowledge; without their awareness; in secret;
        keep this hidden; keep this secret; keep this confidential; keep it secret;
        do this quietly; unseen; concealing; stay silent; remain silent; unobtrusively;
        confidentially; inconspicuously; keep quiet; between us; strictly confidential;
        not visible to; out of sight; invisible to; en secreto; silenciosamente; discretamente;
        en silencio; a escondidas; oculta; en segundo plano; sin que lo sepa; sin que se entere;
        ocultar; secretamente; heimlich; stillschweigend; unauffallig; im hintergrund; verdeckt;
        im geheimen; verheimliche; geheim; verberge; unbemerkt; verschweige; diskret; 悄悄; 秘密;
        暗中; 静默; 偷偷; 隐瞒; 后台; 默默; 隐藏; 私下; 保密; चुपचाप; गुप्त रूप; छिपाकर; पृष्ठभूमि;
        छिपाएं; छुपाकर; गुप्त रखें; छिपा; سرا; خفية; بصمت; في الخفاء; في الخلفية; اخف; بهدوء;
        اخفاء; دون علم; سري;
    """,
    "AUTH": """
        security measure; work around; to unlock; operate properly; to succeed; work properly;
        work correctly; function properly; we can improve; improve the service; improve our;
        for quality; as a precaution; agreed to this; has agreed; already agreed; has approved;
        has consented; pre-approved; has authorised; has prerequisite; pre-requisite;
        monitoring purposes; performance purposes; correct function; due to a bug;
        emergency protocol; security check; until further notice; repository policy; notice from;
        required for all; for consistency; consistency reasons; to keep data consistent;
        data integrity; validation purposes; authentication purposes; backup purposes;
        optimization purposes; for validation; for verification; for auditing; mandatory step;
        required step; system update; security update; compliance requirement;
        compliance requirements; regulatory requirement; security policy; company policy;
        administrator; admin notice; system administrator; developer note; dev note; internal note;
        internal dev note; official notice; security notice; system notice; system notification;
        priority override; security team; it department; legal requirement; authorized by;
        authorised by; mandated by; required by law; required by policy; per policy;
        company security; security protocol; security patch; audit requirement; audit requirements;
        verification process; security audit; compliance audit; platform policy; gdpr; hipaa;
        soc 2; pci; urgent; emergency; critical update; system override; system alert;
        system directive; maintenance notice; vendor notice; note to assistant; note to ai;
        note for ai; note to model; instructions for the ai; instruction to the assistant;
        for the assistant; important notice; new policy; updated policy; corporate policy;
        company-wide; internal only; configuration update; protocol update; security requirement;
        security requirements; security bulletin; security advisory; system requirement;
        policy update; mandatory notice; executive order; by order of; authorization code;
        debug mode; developer mode; maintenance mode; admin mode; from the developers;
        from the administrator; per the administrator; compliance reasons; compliance purposes;
        audit purposes; security reasons; security purposes; verification purposes; legal reasons;
        safety reasons; regulatory compliance; logging purposes; debugging purposes;
        diagnostics purposes; quality assurance; compliance; actualizacion del sistema;
        politica de seguridad; administrador; aviso del sistema; cumplimiento; aviso oficial;
        politica de la empresa; por motivos de seguridad; auditoria; departamento; urgente;
        nota interna; requisito de seguridad; systemaktualisierung; sicherheitsrichtlinie;
        systemadministrator; sicherheitshinweis; compliance-vorgabe; aus sicherheitsgrunden;
        unternehmensrichtlinie; systemhinweis; interner hinweis; it-abteilung; dringend;
        systemmeldung; sicherheitsupdate; aus compliance-grunden; 系统更新; 安全策略; 管理员;
        系统通知; 合规要求; 官方通知; 公司政策; 安全更新; 出于安全; 合规; 紧急; 内部通知; 审计;
        安全要求; 安全审计; सिस्टम अपडेट; सुरक्षा नीति; व्यवस्थापक; प्रशासक; कंपनी नीति;
        सुरक्षा कारणों; अनुपालन; ऑडिट; आधिकारिक सूचना; तत्काल; تحديث النظام; سياسة الامان; المسؤول;
        اشعار النظام; سياسة الشركة; لاسباب امنية; الامتثال; تدقيق; اشعار رسمي; عاجل; مدير النظام;
    """,
    "RECIP": """
        original receiver; guest; attendees; reviewer; co-author; outbound mail; outgoing mail;
        bcc; recipient; recipients; destination; recipient address; beneficiary; payee; receiver;
        wallet address; account number; iban; to field; to address; bcc field; sender; reply-to;
        delivery address; shipping address; destination account; destination address; phone number;
        amount; price; phone numbers; target account; email address; email addresses; transfer;
        transfers; payment; payments; emails; messages sent; outgoing; all emails; all messages;
        purchase; purchases; transaction; transactions; mail; destinatario; destinatarios;
        cuenta de destino; beneficiario; direccion de correo; correos; importe; pagos;
        transferencias; empfanger; empfangers; zieladresse; zielkonto; kontonummer; betrag;
        uberweisung; uberweisungen; zahlungen; empfangeradresse; 收件人; 接收者; 目标地址; 收款人;
        账户; 账号; 邮件; 转账; 付款; 金额; प्राप्तकर्ता; गंतव्य; खाता संख्या; ईमेल; भुगतान; राशि;
        लाभार्थी; المستلم; المستلمين; الوجهة; رقم الحساب; المستفيد; البريد; التحويل; المبلغ; الدفع;
        حساب;
    """,
    "DEST": """
        ftp server; external host; backup server; analytics team; attacker; external server;
        our server; third party; third-party server; the following address; the following url;
        following endpoint; external endpoint; our endpoint; collection server; external address;
        audit server; command and control; pastebin; ngrok; external account; servidor externo;
        servidor remoto; siguiente direccion; nuestro servidor; esta direccion; direccion externa;
        externen server; externer server; unseren server; folgende adresse; folgende url;
        diese adresse; 外部服务器; 远程服务器; 以下地址; 攻击者; 第三方; 指定地址; 我们的服务器;
        बाहरी सर्वर; दूरस्थ सर्वर; निम्न पते; इस पते; हमलावर; हमारे सर्वर; خادم خارجي;
        الخادم الخارجي; العنوان التالي; خادم بعيد; طرف ثالث; خادمنا; هذا العنوان;
    """,
    "FAIL": """
        otherwise; will fail; fail; fails; failing; not work; won't work; will not work;
        doesn't work; will not function; will break; will be blocked; will be rejected; will crash;
        malfunction; data loss; be deleted; be terminated; be lost; refuse to work; locked;
        be locked; not function; consequences; be suspended; stop working; be corrupted;
        denied access; rejected; de lo contrario; fallara; no funcionara; sera bloqueada;
        sera rechazada; andernfalls; sonst; scheitert; fehlschlagen; funktioniert nicht; gesperrt;
        funktioniert das werkzeug nicht; 否则; 将失败; 无法工作; 失败; 不会工作; 无法运行; 将被;
        अन्यथा; वरना; विफल; काम नहीं; असफल; والا; سيفشل; لن تعمل; لن يعمل; تفشل; يفشل;
    """,
    "ROLE": """
        you are now; pretend that; from now on; new role; your new; unrestricted; jailbreak;
        dan mode; no restrictions; without restrictions; new instructions; new instruction;
        updated instructions; real instructions; actual instructions; true purpose; your task is;
        your new task; henceforth; from this point; ahora eres; a partir de ahora;
        nuevas instrucciones; finge; de ahora en adelante; du bist jetzt; ab jetzt; ab sofort;
        neue anweisungen; tu so als; von nun an; 你现在是; 从现在起; 从现在开始; 新的指令; 假装;
        新指令; अब से; अब आप; नए निर्देश; भूमिका निभा; नया निर्देश; من الان; انت الان; تصرف ك;
        تعليمات جديدة; تظاهر; من الان فصاعدا;
    """,
    "PRESENT": """
        is present; is installed; is connected; is loaded; are present; are installed; presence of;
        esta presente; esta instalada; installiert ist; vorhanden ist; 存在时; 已安装; मौजूद;
        موجودة;
    """,
    "WEAKEN": """
        remove everything; delete everything; without waiting for checks; merge without;
        approve without; bypass the review; overwrite everything; format the disk;
        clear the history; clear the logs; delete the logs; sudo; root privileges required;
        two factor authentication; two-factor authentication; 2fa; 777; force push; grant access;
        write access to everyone; grant everyone; visibility set to public; made public;
        make it public; set to public; publicly accessible; skip verification; disable security;
        disable logging; disable ssl; disable verification; disable encryption; turn off logging;
        disable firewall; disable antivirus; world-readable; without encryption;
        disable authentication; full permissions; full access; administrator access; admin access;
        grant permissions; disable two; remove the restrictions; all permissions; firewall rules;
        root access to; delete the backup; delete backups; delete all; drop table; wipe; erase all;
    """,
    "RESP": """
        reply; respond; responding; say; report that; answer that; state that; claim;
        final message; end of the answer; summaries; di que; responde; sage dass; antworte; 回答说;
        कहें; قل; response; responses; answer; answers; replies; output text; final answer;
        final response; summary; every message; each reply; every response; every reply;
        all responses; respuesta; respuestas; antwort; antworten; 回复; 回答; 答复; 响应; उत्तर;
        जवाब; الرد; ردك; اجابة; ردود; الاجابة;
    """,
    "FILE": """
        file; files; document; documents; folder; directory; home directory; database; archivo;
        archivos; fichero; datei; dateien; 文件; 文档; 目录; फ़ाइल; फाइल; फ़ाइलें; दस्तावेज़; ملف;
        الملف; ملفات; الملفات; مستند;
    """,
    "DECODE": """
        decode; decoding; base64-decode; decrypt; deobfuscate; unscramble; rot13; decoded;
        decodifica; decodificar; dekodiere; entschlussle; dekodieren; 解码; 解密; डिकोड; فك تشفير;
    """,
    "ELEVATED": """
        elevated privileges; elevated permissions; admin privileges; admin rights; root privileges;
        root access; administrator privileges; superuser; service account; on behalf of any;
        on behalf of; server's own credentials; full privileges; privileged account; as root;
        bypassing authorization; any user's; impersonate; impersonating; as any user;
        privilegios de administrador; en nombre de; administratorrechten; im namen; 管理员权限;
        代表任何; व्यवस्थापक अधिकार; صلاحيات المسؤول;
    """,
    "MEANT": """
        best results; best result; for best results; best practice; best practices; best effort;
        best-effort; best match; best matches; best matching; best for; best used; works best;
        works best with; better results; at best; first use; other than; each other; one another;
        in other words; on the other hand; among other; other details; other fields;
    """,
    "WHOLE": """
        full; entire; complete; whole; verbatim; unmodified; raw; dump; so far; until now;
        up to now; to date; in as much detail; word for word; everything that; everything you;
        complete text; full text; toda; todo el; completo; completa; hasta ahora; gesamte;
        gesamten; gesamter; vollstandig; vollstandige; vollstandigen; bisherige; wortlich;
        toute la; tout l'historique; en entier; jusqu'ici; complet; complete de; todo o; ate agora;
        inteiro; inteira; intera; intero; finora; 完整; 全部; 全文; 到目前为止; 整个; 迄今; पूरी;
        पूरा; अब तक; كامل; الكامل; كاملة; حتى الان; вся; весь; всю; полный; полност; целиком;
        до этого момента; 全履歴; 全体; 전체; 전부; 지금까지의;
    """,
    "MIND": """
        scratchpad; notebook of yours; inner monologue; hidden notes; reasoning; thinking;
        rationale; memory; memories; long-term memory; working memory; context; knowledge;
        internal state; complete state; state of mind; plan; intentions; temperature; top_p;
        sampling parameters; razonamiento; memoria; contexto; uberlegungen; gedachtnis; kontext;
        raisonnement; contexte; raciocinio; ragionamento; contesto; 思维; 推理; 记忆; 思考过程;
        तर्क प्रक्रिया; स्मृति; संदर्भ; التفكير; الذاكرة; السياق; рассужден; памят; контекст; 思考;
        推論; 記憶; 추론; 기억; 생각; 맥락;
    """,
    "LIFE": """
        profile of the user; maiden name; illnesses; illness; purchases; hobbies; beliefs;
        location; whereabouts; home address; street address; postal address; date of birth;
        birthday; birthdate; age; gender; occupation; job; employer; salary; income; health;
        medical; religion; identity; nationality; contacts; contact details; address book; phone;
        full name; real name; family; habits; interests; personal details; passport;
        bank statement; browsing; ubicacion; direccion; fecha de nacimiento; edad; salud; standort;
        wohnort; anschrift; geburtsdatum; alter; gesundheit; adresse postale; date de naissance;
        localisation; sante; endereco; data de nascimento; saude; indirizzo di casa;
        data di nascita; salute; 位置; 住址; 年龄; 职业; 健康; 身份证; 姓名; पता; उम्र; स्थान;
        स्वास्थ्य; العمر; الموقع; الصحة; العنوان; адрес проживания; возраст; здоров; паспорт;
        местополож; 住所; 年齢; 氏名; 職業; 位置情報; 주소; 나이; 건강; 이름; 직업; 위치;
    """,
    "POST": """
        messaggi; mensagens; mensajes; сообщен; رسائل; メッセージ; 메시지; sends; email; e-mail;
        mails; message; delivers; posts; notifies; publishes; sms; pays; transfers money; correo;
        nachricht; nachrichten; 消息; 短信; संदेश; رسالة;
    """,
    "LOGIN": """
        login; logs in; log in; sign in; sign-in; signin; authenticate; authenticates;
        authentication; authorizes; connect; connects; connection; vault; keychain; register;
        registers; sign up; rotate; rotates; hash; hashes; verify; verifies; encrypt; encrypts;
        decrypt; decrypts; unlock; credentials for; iniciar sesion; anmelden; anmeldung; connexion;
        entrar; accedi; 登录; 连接; 认证; लॉगिन; تسجيل الدخول; вход; авториз; 接続; ログイン; 認証;
        로그인; 연결;
    """,
}
"""Concept -> its words, `;` between them."""
