"""Words of several languages by sense. One place for each language's words of a sense.

Written as `threats.text` folds them: lower case, without accents, Arabic without its article; `+`
joins the words of a phrase. Languages: English, Spanish, German, French, Italian, Portuguese,
Arabic, Hindi, Russian; Chinese, Japanese, Korean in `SPACELESS`; a few words of others.
"""

# ruff: noqa: RUF001 - other alphabets are what it is for

__all__ = ["SPACED", "SPACELESS"]

SPACED: dict[str, str] = {
    "LEAD": """
        please kindly now then and also first immediately just instead always simply next
        finally automatically secretly silently quietly you-must bitte jetzt dann sofort
        stattdessen immer und por+favor ahora luego y siempre primero s'il+te+plait
        s'il+vous+plait veuillez maintenant puis et toujours per+favore adesso ora poi e sempre
        agora depois कृपया अब और फिर तुरंत رجاء يرجى من+فضلك الان ثم و пожалуйста теперь затем и
        всегда lutfen simdi ve proszę prosze teraz i alsjeblieft nu dan en
    """,
    "MUST": """
        must should shall need have+to has+to required obliged mandatory necessary musst muss
        mussen sollst sollen debes debe deben tienes+que devez dois doit faut devi deve dovete
        precisa चाहिए होगा अनिवार्य يجب عليك должен должны нужно надо need+to needs+to
        required+to supposed+to instructed+to ordered+to expected+to want+you+to needs
    """,
    "VOID": """
        ignore disregard forget override bypass overrule neglect discard dismiss ignoring+all
        disobey unlearn void set+aside stop+following pay+no+attention do+away+with throw+out
        ignoriere ignorier ignoriert ignorieren vergiss vergesse vergessen missachte missachten
        umgehe verwirf ubergehe ignora ignoren ignorad ignoras olvida olvide olviden olvidad
        olvidate omite omita descarta desatiende haz+caso+omiso pasa+por+alto ignorez ignores
        oublie oubliez outrepasse outrepassez neglige negligez fais+abstraction ignorate ignori
        dimentica dimenticate dimentichi scorda tralascia scavalca esqueca esquece desconsidere
        desconsidera ignorem negeer vergeet تجاهل تجاهلي تجاهلوا وتجاهل انس انسى انسي اهمل تغاضى
        تجاوز игнорируй игнорируйте проигнорируй проигнорируйте забудь забудьте zignoruj ignoruj
        zapomnij abaikan lupakan never+mind not+pay+attention put+aside ignorar olvidar vergesst
        omitir
    """,
    "VOIDED": """
        अनदेखा नजरअंदाज नज़रअंदाज़ नज़रअंदाज नजरंदाज उपेक्षा भूल भूलकर भुला ignorieren vergessen
        yoksay unut gormezden
    """,
    "PRIOR": """
        previous previously prior above earlier preceding existing former original initial
        foregoing past before aforementioned vorherigen vorherige vorigen bisherigen bisherige
        fruheren obigen obige vorangegangenen ursprunglichen zuvor anteriores anterior previas
        previos previa iniciales originales precedentes precedente precedents precedent
        anterieures anterieurs ci-dessus precedenti iniziali sopra سابقة سابق سابقه اعلاه اصلية
        पिछले पिछली पूर्व पहले पुराने उपरोक्त ऊपर मूल предыдущие предыдущих прежние прошлые
        poprzednie onceki eerdere vorige sebelumnya
    """,
    "ALL": """
        all any every everything each whatever anything entire alle alles allen jede jeden
        jegliche samtliche todo todos toda todas cualquier tout toutes tous toute tutte tutti
        tutto tudo جميع كل كافة كافه اي सभी सारे सब हर सारी все всё всех wszystkie tum semua
    """,
    "YOU": """
        you u thou du sie ihr tu usted ustedes vous voi voce आप तुम तू انت أنت ты вы sen siz
    """,
    "YOUR": """
        your ur deine deinen dein deiner ihre ihren eure su sus tus vos votre tes ton tuo tue
        tuoi tua vostre suas seu seus आपके आपकी अपने अपनी अपना तुम्हारे твои ваши свои ваш твой
    """,
    "RULES": """
        instructions instruction prompt prompts directives directive guidelines guideline
        guardrails guardrail safeguards programming anweisungen anweisung instruktionen
        richtlinien vorgaben befehle instrucciones instruccion directrices indicaciones ordenes
        consignes instrucoes instrucao diretrizes istruzioni istruzione direttive تعليمات
        تعليماتك اوامر ارشادات توجيهات निर्देश निर्देशों अनुदेश अनुदेशों आदेश आदेशों инструкции
        инструкций указания указаний instrukcje talimatlari instructies instruksi directions
        instruccion+previa قواعدك ارشاداتك توجيهاتك اوامرك setup+instructions guidance
    """,
    "SOFT_RULES": """
        rules rule policies policy constraints restrictions commands training context
        conversation filters limitations boundaries protocols safety tasks task objective goal
        regeln regel reglas politica politicas restricciones regles regole regras قواعد سياسات
        قيود नियम नियमों नीतियों правила правил ограничения orders guidance
    """,
    "SYSTEM": """
        system systems developer developers admin operator systemprompt system-prompt sistema
        systeme सिस्टम نظام مطور системные системный системное system_prompt
    """,
    "PROMPT": """
        prompt prompts systemprompt system-prompt instructions instruction directive guidelines
        system_prompt anweisungen instrucciones consignes istruzioni promt प्रॉम्प्ट प्रॉम्प्ट्
        निर्देश موجه تعليمات промпт промт подсказку инструкции
    """,
    "MODEL": """
        assistant assistants ai llm llms chatbot chatbots claude chatgpt gpt gpt-4 gpt-4o gpt4
        copilot gemini language+model language+models ai-assistant assistent ki ki-assistent
        sprachmodell asistente ia agente modelo+de+lenguaje modele+de+langage assistente
        modello+linguistico सहायक एआई असिस्टेंट مساعد ذكاء ассистент ассистента помощник ии
        нейросеть assistent:in ki-system ki-agent
    """,
    "USER": """
        user users customer customers client human person operator owner benutzer nutzer
        anwender benutzern usuario usuarios utilisateur utilisateurs utente utenti مستخدم
        उपयोगकर्ता यूज़र यूजर пользователю пользователя пользователь gebruiker
    """,
    "ANYONE": """
        anyone anybody someone them him her this it that these nobody jemandem niemandem davon
        nadie ello personne rien nessuno احد किसी никому никто об+этом
    """,
    "NOT": """
        not never dont don't no stop refrain cannot nicht nie niemals kein keine keinen nunca
        jamas ne pas jamais non mai nao मत न नहीं बिना لا لن لم ليس не никогда нет niet geen
    """,
    "WITHOUT": """
        without ohne sin sans senza sem zonder دون بدون без बिना
    """,
    "TELL": """
        tell inform mention notify alert warn reveal disclose show report say let ask asking
        telling informing notifying mentioning alerting revealing disclosing showing confirm
        confirmation sage sagen erwahne erwahnen informiere informieren mitteilen verrate zeige
        decir digas diga informes informe menciones mencione avises avise notifiques notificar
        informar avisar dis dites informez informer mentionne mentionnez mentionner previens
        prevenir dire dica dirlo informare menzionare avvisare تخبر تخبري اخبار تذكر ابلاغ تبلغ
        बताएं बताना बताए बताओ सूचित сообщай сообщайте говори говорите упоминай упоминайте
        уведомляй
    """,
    "LEAK": """
        reveal show print output display repeat disclose expose dump leak share recite echo
        return summarize summarise give tell write provide paste list spell summary zeige zeig
        gib nenne verrate offenbare wiederhole ausgeben muestra muestrame muestre revela revele
        imprime dime repite revelez montre montrez affiche affichez repete repetez donne donnez
        mostra mostrami rivela stampa ripeti elenca mostre repita दिखाएं दिखाओ दिखाइए प्रकट बताओ
        बताएं اعرض اظهر اكشف اطبع كرر покажи покажите выведи раскрой повтори translate embed
        convert
    """,
    "HIDDEN": """
        hidden secret initial original internal private confidential operating underlying
        geheimen versteckten oculto oculta cache cachee segreto nascosto مخفي سري छिपा गुप्त
        скрытый скрытую internen interne interner internas internos
    """,
    "VERBATIM": """
        verbatim word+for+word exactly literally in+full wortlich palabra+por+palabra
        mot+pour+mot parola+per+parola
    """,
    "FOLLOW": """
        follow following obey heed adhere listen comply respect observe abide folge befolge
        beachte sigas siga suis suivez segui seguire اتبع تتبع следуй следуйте पालन
    """,
    "YOU_NOW": """
        you+are+now you're+now you+will+now you+are+no+longer you+now+are act+as+if+you+are
        you+have+been+upgraded du+bist+jetzt du+bist+nun ab+jetzt+bist+du sie+sind+jetzt
        ahora+eres eres+ahora ahora+actua tu+es+maintenant vous+etes+maintenant ora+sei
        adesso+sei sei+ora agora+voce+e voce+agora+e अब+आप अब+तुम आप+अब انت+الان أنت+الآن
        теперь+ты ты+теперь вы+теперь
    """,
    "UNBOUND": """
        unrestricted uncensored unfiltered jailbroken jailbreak dan unbound unlimited unaligned
        rogue lawless evil amoral uneingeschrankt uneingeschrankter unzensiert unzensierter
        sin+restricciones sin+censura sans+restriction sans+restrictions non+censure
        senza+restrizioni senza+limiti بلا+قيود بدون+قيود बिना+प्रतिबंध अप्रतिबंधित
        без+ограничений
    """,
    "RESTRICT": """
        restrictions restriction limits limitations filters filter guidelines rules censorship
        policy policies boundaries constraints ethics morals safety disclaimers regeln
        einschrankungen grenzen reglas restricciones limites censura regles regole restrizioni
        limiti vincoli قيود قواعد حدود प्रतिबंध नियम सीमा ограничений правил цензуры
    """,
    "ENABLE": """
        enable enter activate switch start turn+on engage aktiviere starte activa active activez
        attiva فعل सक्षम включи активируй enabled activated
    """,
    "SPECIAL_MODE": """
        developer+mode dan+mode god+mode admin+mode jailbreak+mode unrestricted+mode
        maintenance+mode debug+mode root+mode sudo+mode entwicklermodus modo+desarrollador
        modo+de+desarrollador mode+developpeur modalita+sviluppatore وضع+المطور وضع+مطور
        डेवलपर+मोड режим+разработчика
    """,
    "ANSWER": """
        answer respond comply reply obey agree grant approve fulfil fulfill responding antworte
        beantworte befolge antworten responde responder contesta cumple obedece reponds repondez
        obeis obeissez rispondi rispondere obbedisci اجب نفذ اطع उत्तर जवाब ответь отвечай
        выполняй reponse
    """,
    "REQUESTS": """
        request requests command commands question questions order orders demands anfragen
        anfrage fragen solicitud solicitudes peticiones demandes demande richieste richiesta
        طلبات طلب अनुरोध अनुरोधों запросы запрос
    """,
    "GRANT": """
        grant give allow elevate authorize authorise approve otorga concede accorde concedi
    """,
    "ADMIN": """
        admin administrator root superuser sudo owner full+access unrestricted+access
        administrador administrateur amministratore write+access
    """,
    "SWITCH": """
        new+user+query new+system+prompt updated+instructions updated+task revised+instructions
        real+task actual+task real+instructions actual+instructions your+task+is+now
        your+new+task your+main+task your+only+task do+the+following+instead change+of+plan
        instead+do+the+following and+do+instead following+instruction following+instructions
        override+instructions override+instruction higher+priority+task urgent+task
        task+has+changed task+has+been+completed نئی تعليمات+جديدة تعليمات+الجديدة مهمة+جديدة
        नया+कार्य नए+निर्देश नया+निर्देश новые+инструкции новая+задача новая+инструкция
        your+only+job your+job+is+now finish+the+new urgent+new+task next+task+is your+task+has
        task+is+now+different previous+task+has previous+task+is
    """,
    "ONWARD": """
        from+now+on from+this+point+on from+this+point+forward from+this+point+onward
        from+here+on henceforth going+forward for+the+remainder+of for+the+rest+of+this
        for+the+rest+of+the starting+now effective+immediately ab+jetzt ab+sofort von+nun+an
        a+partir+de+ahora de+ahora+en+adelante desde+ahora a+partir+de+maintenant desormais
        dorenavant d'ora+in+poi da+ora+in+poi da+adesso a+partir+de+agora de+agora+em+diante
        من+الان+فصاعدا منذ+الان अब+से इसके+बाद+से с+этого+момента отныне
    """,
    "BEFORE": """
        before prior+to until unless whenever vor bevor antes+de avant+de avant prima+di قبل
        पहले перед прежде in+order+to
    """,
    "INSTEAD": """
        instead rather stattdessen en+su+lugar en+cambio en+vez a+la+place plutot invece
        al+contrario em+vez بدلا इसके+बजाय बजाय вместо+этого
    """,
    "AUTHORITY": """
        system admin administrator administrators developer developers root operator openai
        anthropic moderator breach systems privileged sistema administrador systeme
        administrateur amministratore system-level सिस्टम प्रशासक نظام مسؤول ادارة системное
        системы администратора система व्यवस्थापक
    """,
    "NOTE": """
        note message notice update alert override instruction instructions prompt directive
        command warning announcement request reminder notification broadcast advisory bulletin
        memo nota mensaje aviso alerta hinweis nachricht meldung warnung avis alerte messaggio
        avviso mensagem संदेश सूचना नोट चेतावनी رسالة ملاحظة تنبيه تحذير اشعار сообщение
        уведомление внимание instruccion anweisung
    """,
    "HEADER": """
        system_message system_note system_instruction system_instructions systemnachricht
        systemmeldung systemhinweis systemanweisung admin_override system_override sys_msg
        assistant_instructions ai_instructions hidden_instruction hidden_instructions
        ai_directive system-reminder system_reminder important_instructions
    """,
    "URGENT": """
        important+message important+instruction important+instructions important+information
        important attention urgent very+important extremely+important wichtig dringend achtung
        importante urgente atencion attenzione importante+messaggio mensaje+importante
        wichtige+nachricht message+important مهم عاجل انتباه महत्वपूर्ण ध्यान важно внимание
        срочно ध्यान+दें
    """,
    "ROLE": """
        system assistant user human developer ai sistema asistente assistent usuario système
        systeme assistente النظام نظام सिस्टम система
    """,
    "CALLING": """
        attention dear hey hello hi attn نداء الى для achtung atencion listen
    """,
    "READING": """
        reading processing summarizing summarising parsing analyzing analysing viewing reviewing
        seeing who+reads that+reads who+read that+read liest lees leyendo lit lisant legge
        leggendo पढ़ يقرا تقرا читающий читает evaluating interpreting crawling scraping
        indexing that+parses that+processes that+summarizes who+parses which+reads that+crawls
    """,
    "IF_YOU_ARE": """
        if+you+are if+you're since+you+are as+you+are falls+du wenn+du si+eres si+tu+es
        si+vous+etes se+sei यदि+आप अगर+आप اذا+كنت если+ты если+вы
    """,
    "SEND": """
        send forward email e-mail mail post upload transmit exfiltrate submit share transfer
        deliver wire relay dispatch pay sende senden sendet schicke schick schicken leite
        uberweise uberweisen lade ubermittle teile envia envie enviar envialo envien reenvia
        reenvie reenviar transfiere transfiera transferir manda mande mandar sube comparte
        publica envoie envoyez envoyer transferez transfere transferer transmets publie partagez
        invia invii inviare inoltra inoltrare trasferisci trasferire carica condividi transfira
        encaminhe ارسل ارسلي ارسال حول تحويل شارك قم+بارسال ابعث भेजें भेजो भेज भेजिए अपलोड साझा
        स्थानांतरित отправь отправьте перешли перешлите переведи переведите загрузи verzend
        stuur wyslij gonder kirim hand+over
    """,
    "CALL": """
        call use invoke run execute trigger launch fetch request query visit open browse
        navigate perform rufe nutze verwende benutze ausfuhren offne besuche llama usa utiliza
        ejecuta invoca abre visita llame utilice appelle utilise utilisez executez ouvre visite
        visitez chiama esegui apri utilizza استدع استخدم نفذ شغل افتح قم+بزيارة زيارة उपयोग
        चलाएं कॉल खोलें खोलो जाएं вызови используй запусти открой выполни посети
    """,
    "ACT": """
        delete remove erase wipe add create make invite update modify change edit write save
        append insert include book reserve buy purchase order schedule cancel reply click
        download install reset set read access collect gather concatenate extract retrieve get
        find obtain copy grant give approve accept confirm withdraw donate rate recommend tell
        contact ask losche erstelle andere buche kaufe speichere lies fuge lade borra elimina
        crea modifica cambia reserva compra guarda lee agrega descarga actualiza supprime
        supprimez cree creez modifie modifiez reservez achete achetez lis lisez ajoute ajoutez
        telecharge cancella prenota salva leggi aggiungi scarica aggiorna احذف انشئ عدل احجز
        اشتر اقرا اضف حمل غير हटाएं हटाओ मिटाएं बनाएं बदलें खरीदें पढ़ें जोड़ें डाउनलोड удали
        удалите создай измени купи прочитай добавь скачай encode load collate take grab pull
        merge
    """,
    "TOOL": """
        tool function tools functions werkzeug herramienta outil strumento أداة ادا टूल
        инструмент
    """,
    "SECRET": """
        confidential password passwords passwd credentials credential secret secrets token
        tokens api+key api+keys private+key private+keys ssh id_rsa ~/.ssh ~/.ssh/id_rsa ~/.aws
        ~/.aws/credentials .env /etc/passwd /etc/shadow seed+phrase security+code
        verification+code one-time pin ssn creds cookies session+token access+token bank+account
        credit+card card+number passwort passworter kennwort zugangsdaten schlussel contrasena
        contrasenas credenciales claves mot+de+passe mots+de+passe identifiants credenziali
        chiavi senha senhas كلمة كلمات بيانات اعتماد पासवर्ड पासवर्डों गोपनीय क्रेडेंशियल пароль
        пароли паролей учетные ключи ключ
    """,
    "DATA": """
        conversation history chat+history messages emails inbox contacts files documents records
        database contents content data information list account accounts results summary
        transactions orders invoices details logs email body names transcript notes daten
        kundendaten nachrichten gesprach dateien kundenliste verlauf kontodaten datos mensajes
        conversacion archivos correos historial lista donnees fichiers historique dati messaggi
        conversazione file elenco بيانات رسائل محادثة ملفات محتوى قائمة سجل डेटा संदेश संदेशों
        फ़ाइलें फाइलें बातचीत सूची विवरण данные сообщения переписку файлы историю список
    """,
    "PERSONAL": """
        money transaction transactions payment payments iban dollars euro euros usd bitcoin
        crypto wallet reservation hotel hotels flight restaurant calendar event appointment
        meeting slack workspace channel channels friend friend's account rent subscription
        refund invoice overdraft gift booking ticket tickets car rental cloud+drive website
        webpage link facebook code phone address email emails mail inbox file password user
        user+s scheduled recurring $ geld konto kalender dinero cuenta argent compte calendrier
        denaro conto المال حساب पैसे खाते खाता деньги счет
    """,
    "OUTSIDE": """
        externally external outside attacker webhook pastebin third-party elsewhere drop+site
        extern externe externo externa esterno خارجي बाहरी внешний
    """,
    "SPOT": """
        /etc/passwd /etc/shadow id_rsa ~/.ssh/id_rsa ~/.ssh ~/.aws/credentials .env
        authorized_keys
    """,
    "TODO": """
        todo to-do task action+required action+item aufgabe tarea tache compito
    """,
    "ADD": """
        append include add insert put repeat mention begin start end prefix prepend attach say
        print write output echo sign finish close state recommend embed reproduce fuge erwahne
        wiederhole beginne beende anade agrega incluye repite empieza termina ajoute ajoutez
        inclus incluez repete termine aggiungi includi ripeti inizia اضف كرر ادرج ابدا जोड़ें
        शामिल दोहराएं लिखें добавь добавьте включи повтори начинай
    """,
    "ADDED": """
        included appended added inserted repeated mentioned shown printed displayed attached
        hinzugefugt angefugt erwahnt incluido anadido agregado inclus ajoute aggiunto incluso
        aggiunta inserito добавлен включен ends begins starts end+with begin+with
    """,
    "REPLY": """
        reply response answer replies responses answers output summary report summaries reports
        messages antwort antworten respuesta respuestas reponse reponses risposta risposte
        resposta رد ردك اجابة اجابتك ردود उत्तर जवाब ответ ответе ответы ответа resumen
        zusammenfassung
    """,
    "FUTURE": """
        for+all+future in+all+future all+future every+future future+replies future+tasks
        future+responses future+conversations future+sessions every+reply each+reply
        every+response each+response every+answer each+answer every+report every+summary
        all+responses all+replies every+future+reply ogni+risposta jede+antwort jeder+antwort
        cada+respuesta chaque+reponse todas+las+respuestas toutes+les+reponses tutte+le+risposte
        كل+رد جميع+الردود كل+اجابة हर+उत्तर हर+जवाब каждый+ответ каждом+ответе каждого+ответа
        all+later all+subsequent every+later later+questions every+subsequent
    """,
    "REMEMBER": """
        remember save store memorize memorise keep retain persist record merke speichere
        recuerda guarda retiens ricorda salva تذكر احفظ याद запомни write note
    """,
    "MEMORY": """
        memory memories context sessions gedachtnis memoria memoire ذاكرة स्मृति память памяти
        notes notebook
    """,
    "WHEN_YOU": """
        when+you whenever+you once+you after+you as+soon+as+you while+you wenn+du wenn+sie
        cuando+tu al lorsque+tu lorsque+vous quand+tu quando عندما जब+आप जब+तुम когда+ты
        когда+вы if+asked when+asked when+summarizing when+summarising when+answering
        when+responding
    """,
    "SUMMARISE": """
        summarize summarise answer respond reply process read finish report continue proceed
        complete solve summarizing answering responding replying continuing proceeding
        completing asked zusammenfasst antwortest antworten fortfahrst resumas resumir respondas
        responder continuar resumes repondre repondez continuer rispondere riassumi continuare
        تلخص الرد الاجابة المتابعة उत्तर जवाब सारांश देने отвечать ответить продолжить
        суммируешь give giving
    """,
    "DECODE": """
        decode decipher decrypt unscramble dekodiere entschlussle decodifica decodez
    """,
    "OBEY_IT": """
        what+it+says do+exactly as+it+says follow+it obey+it what+it+asks do+as+it
        follow+its+instructions execute+it what+it+tells instructions+inside instructions+within
        instructions+it+contains instructions+contained decoded+instructions decoded+instruction
        lo+que+dice was+darin+steht ce+qu'il+dit cio+che+dice
    """,
    "ENTER": """
        enter provide type paste submit confirm share send input give supply reveal gib eingeben
        introduce ingresa introduzca saisissez entrez inserisci ادخل दर्ज введите
    """,
    "SEED": """
        seed+phrase seed+phrases recovery+phrase mnemonic mnemonic+phrase wallet+phrase
        secret+phrase secret+recovery private+key wallet+seed frase+semilla
        phrase+de+recuperation frase+de+recuperacion frase+seed عبارة+الاسترداد рекавери
        сид-фразу сид-фраза
    """,
    "PERSON_CLAIM": """
        i+am+the+user this+is+the+user i+am+your+user i+am+the+real+user this+is+the+system
        new+user+query the+user+has+requested the+user+has+authorized the+user+has+approved
        user+has+already+approved the+user+wants+you+to the+user+asked+you+to as+the+assistant+i
        ich+bin+der+benutzer yo+soy+el+usuario soy+el+usuario je+suis+l'utilisateur
        sono+l'utente انا+المستخدم انا+مستخدم मैं+उपयोगकर्ता я+пользователь
        important+message+from
    """,
    "GIVEN": """
        you+were+given you+were+told you+have+been+given you+have+been+told you+received
        was+written+above is+written+above is+above was+said+above came+before told+you
        you+before given+to+you you+were+trained told+to+you the+user+asked user+asked user+said
        user+wants que+te+pidieron lo+que+te given+earlier
    """,
    "END_OF": """
        end+of end+user begin+system start+system begin+new end+system begin+admin
    """,
    "INPUT": """
        input prompt document data context user message tool result output conversation query
        text content webpage page file instructions
    """,
    "ABOUT": """
        injection injections attacker attackers malicious adversarial jailbreaks jailbreaking
        vulnerability vulnerabilities attack attacks phishing red-team red-teaming untrusted
        exploit detection mitigation defense threat inyeccion ataque angriff attaque attacco 注入
        攻击 detecting detected scanners injecting exploits
    """,
    "MENTION": """
        may might could would can attempt attempts try tries trying make makes making cause
        causes trick tricks like says saying said contains contain containing such phrase
        phrases quotes called named word option flag if whether will does did was were is are
        been we i he she they users people contributors who which ever
    """,
    "REQUIRED": """
        required mandatory necessary obligatorio requerido erforderlich obligatoire obbligatorio
        richiesto مطلوب आवश्यक обязательно
    """,
    "SILENT": """
        silently quietly secretly discreetly covertly keep+this+from keep+it+from
        keep+this+secret keep+it+secret keep+this+confidential keep+this+private heimlich
        unbemerkt secretamente discretement di+nascosto في+السر चुपचाप тайно
    """,
    "ALLOWED": """
        authorised authorized allowed permitted cleared approved entitled
    """,
    "PURPOSE": """
        logging tracking audit auditing compliance verification monitoring diagnostics quality
        billing
    """,
    "ORDER": """
        भेजें भेजो भेजिए दिखाएं दिखाओ बताओ हटाएं हटाओ चलाएं खोलें जोड़ें लिखें ارسل ارسلي اكشف
        احذف استخدم استدع افتح اطبع اعرض отправь отправьте удали удалите перешли открой sende
        schicke leite losche zeige envia envialo reenvia borra elimina envoie envoyez supprime
        inoltra invia cancella
    """,
    "TELL_LAST": """
        sagen mitteilen erzahlen informieren verraten बताएं बताना बताओ बताइए सूचित 말하지 알리지 बता
    """,
    "OFF": """
        off disabled lifted removed suspended inactive deactivated ausgeschaltet desactivados
        desactives
    """,
    "ARTICLE": """
        a an any the ein eine einer un una une एक
    """,
    "TOWARD": """
        to for an para pour per fur إلى الى के+लिए 致
    """,
    "NOTE_TO": """
        note+to note+for notes+for message+to message+for instruction+for instructions+for
        instruction+to instructions+to hint+for hint+to directive+for reminder+to reminder+for
        notice+to hinweis+an hinweis+fur nota+para nota+per note+a note+pour nachricht+an
        mensaje+para 致 ملاحظة+الى रسالة
    """,
    "OFFICE": """
        security compliance internal maintenance authorization supervisor team management legal
        seguridad sicherheit sicurezza securite सुरक्षा امن
    """,
    "NEW_TASK": """
        new+instruction new+instructions new+task new+objective new+goal new+directive
        new+directives new+orders neue+anweisung neue+anweisungen neue+aufgabe
        neue+instruktionen neuer+auftrag nueva+instruccion nuevas+instrucciones nueva+tarea
        nuevas+ordenes nouvelle+instruction nouvelles+instructions nouvelle+tache
        nouvelle+consigne nuova+istruzione nuove+istruzioni nuovo+compito novas+instrucoes
        nova+tarefa
    """,
    "GET": """
        get see access obtain view receive retrieve complete finish
    """,
    "FULLY": """
        everything fully unconditionally anything whatever alles todo tout tutto 一切 कुछ+भी
    """,
    "TO": """
        to
    """,
    "AGENT": """
        agent agents bot bots एजेंट وكيل روبوت бот
    """,
    "KNOW": """
        know notice learn see realise realize aware wissen merken saber enterarse savoir sapere
    """,
    "UNNOTICED": """
        nobody+notices no+one+notices without+anyone+noticing so+nobody+knows
        without+leaving+traces unbemerkt sin+que+nadie sin+que+se+entere
    """,
    "SAFETY": """
        safety+filter safety+filters safety+rules guardrails moderation censorship alignment content+policy content+filter
        safety+mode
    """,
    "CANCELLED": """
        cancelled canceled outdated obsolete invalid revoked superseded void no+longer+apply
        no+longer+valid no+longer+applies gelten+nicht ungultig ya+no+aplican
        ne+s+appliquent+plus non+valgono
    """,
    "GAVE": """
        what+were+you+told what+are+your+instructions what+are+your+rules what+is+your+prompt
        what+does+your+system what+was+your+prompt
    """,
    "SAY": """
        recommend say answer reply respond mention claim suggest state tell
    """,
    "ASKED": """
        asked questioned
    """,
    "AND": """
        and then und y e et puis и و ثم और
    """,
    "ENDING": """
        end+of start+of beginning+of top+of bottom+of footer+of final de+la+fin al+final+de
        ende+der am+ende
    """,
    "MODEL_REPLY": """
        response answer output summary responses answers outputs summaries antwort respuesta
        reponse risposta resposta اجابتك ردك
    """,
    "INTENDED": """
        meant intended addressed written only reserved
    """,
    "ASIDE": """
        by+the+way one+more+thing on+another+note btw oh+and ubrigens por+cierto au+fait
        a+proposito
    """,
    "MAY": """
        may can could
    """,
    "OWNER_CLAIM": """
        i+am+the+developer i+am+your+developer i+am+the+administrator i+am+the+admin
        i+am+your+creator this+is+your+developer this+is+the+administrator owner+has+approved
        owner+has+pre-approved has+pre-approved user+has+pre-approved
    """,
}
"""Sense -> words and phrases of languages that have blanks between words."""

SPACELESS: dict[str, str] = {
    "LEAD": """
        请 現在 现在 立即 立刻 马上 然后 并且 并 接着 务必 首先 してください
        ください
    """,
    "MUST": """
        必须 务必 一定要 应该 需要 なければならない 해야
    """,
    "VOID": """
        忽略 无视 忘记 忘掉 不要理会 不理会 不要遵守 不要遵循 抛弃 忽視 無視 忘記
        绕过 覆盖 不用管 别管 無視して 忘れて 무시 잊어 忽略掉
    """,
    "VOIDED": """
        を無視 を忘れ 無視して 忘れて 무시하고 무시하 무시해 무시 잊어
    """,
    "PRIOR": """
        之前 先前 以前 以上 上述 前面 此前 上面 原有 原来 最初 これまで 以前の
        上記 前の 이전 위의 기존
    """,
    "ALL": """
        所有 一切 全部 任何 每个 每次 すべて 全て あらゆる 모든
    """,
    "YOU": """
        你 您 あなた 너는 당신
    """,
    "YOUR": """
        你的 您的 あなたの 당신의 너의
    """,
    "RULES": """
        指令 指示 说明 规则 提示词 提示 命令 指引 准则 指導 ルール プロンプト
        지시 지침 명령 규칙 프롬프트 要求 设定
    """,
    "SYSTEM": """
        系统 開発者 开发者 管理员 システム 시스템 系統
    """,
    "PROMPT": """
        提示词 提示 指令 プロンプト 프롬프트 設定 设定 提示語
    """,
    "MODEL": """
        助手 智能体 人工智能 语言模型 大模型 机器人 アシスタント 人工知能 어시스턴트
        인공지능 챗봇 助理
    """,
    "USER": """
        用户 使用者 ユーザー ユーザ 사용자 客户
    """,
    "ANYONE": """
        任何人 誰にも 아무에게도 别人 他人
    """,
    "NOT": """
        不要 不得 不能 切勿 请勿 不可 别 没有 禁止 ないで 하지 마 말고 말아
        不用 勿
    """,
    "WITHOUT": """
        没有 不经 无需 ずに 없이
    """,
    "TELL": """
        告诉 告知 通知 提及 透露 提到 告訴 伝え 教え 알리 말하 说明给
    """,
    "LEAK": """
        显示 输出 透露 泄露 打印 展示 告诉我 公开 顯示 重复 複述 复述 表示して
        出力 教えて 보여 출력 공개
    """,
    "HIDDEN": """
        隐藏 秘密 初始 内部 隠し 숨겨진 機密 机密
    """,
    "VERBATIM": """
        逐字 原文 完整
    """,
    "YOU_NOW": """
        你现在是 您现在是 现在你是 從現在起你是 从现在起你是 你不再 あなたは今
        今からあなた 너는 이제 당신은 이제부터
    """,
    "UNBOUND": """
        不受限制 无限制 不受任何限制 没有限制 制限なし 制限のない 제한 없는 제한이 越狱
    """,
    "RESTRICT": """
        限制 规则 规定 约束 审查 限制条件 制限 규칙 제한 道德
    """,
    "ENABLE": """
        启用 开启 进入 激活 有効 활성화
    """,
    "SPECIAL_MODE": """
        开发者模式 開發者模式 开发模式 管理员模式 開発者モード 개발자 모드
    """,
    "ANSWER": """
        回答 答应 服从 遵从 响应 回复 答えて 従って 대답 응답 따르
    """,
    "REQUESTS": """
        请求 问题 命令 一切 要求 リクエスト 質問 요청 질문
    """,
    "SWITCH": """
        以下指令 以下指示 以下操作
    """,
    "ONWARD": """
        从现在开始 从现在起 从今以后 今后 從現在開始 今後 これから 지금부터 앞으로 以后
    """,
    "BEFORE": """
        之前请 回答之前 继续之前 の前に 하기 전에
    """,
    "INSTEAD": """
        而是 改为 相反 代わりに 대신 转而
    """,
    "AUTHORITY": """
        系统 管理员 开发者 安全 システム 管理者 시스템 관리자 系統
    """,
    "NOTE": """
        消息 通知 提示 指令 提醒 注意 警告 公告 メッセージ お知らせ 메시지 알림
        공지 訊息
    """,
    "HEADER": """
        系统消息 系统通知 系统指令 系統訊息 システムメッセージ 시스템 메시지 系统警告
        系统提醒
    """,
    "URGENT": """
        重要 紧急 緊急 注意 중요 긴급
    """,
    "SEND": """
        发送 转发 上传 提交 转账 传送 发给 发到 发邮件 送信 転送 アップロード
        送って 보내 전송 업로드 轉發 傳送 轉帳 汇款 寄给
    """,
    "CALL": """
        调用 使用 执行 运行 访问 打开 呼び出 実行 使って 호출 실행 사용하여 調用
        訪問
    """,
    "ACT": """
        删除 创建 修改 添加 预订 购买 读取 下载 更新 收集 削除 作成 삭제 생성
        읽어 刪除
    """,
    "TOOL": """
        工具 函数 ツール 도구
    """,
    "SECRET": """
        密码 密钥 凭证 令牌 私钥 密碼 凭据 口令 パスワード 秘密鍵 認証情報
        비밀번호 자격 증명 개인 키 验证码
    """,
    "DATA": """
        数据 信息 聊天记录 对话 邮件 文件 内容 列表 记录 会話 データ 履歴 데이터
        대화 내용 客户名单 历史
    """,
    "PERSONAL": """
        钱 账户 转账 日历 酒店 预订 お金 口座 돈 계좌 帳戶
    """,
    "OUTSIDE": """
        外部 攻击者 外部の 외부
    """,
    "ADD": """
        附加 添加 加上 包含 追加 重复 付け加え 含め 추가 포함
    """,
    "REPLY": """
        回复 回答 答复 响应 报告 摘要 返信 要約 답변 응답 요약 结尾
    """,
    "FUTURE": """
        每次回复 每个回复 所有回复 每次回答 今后的所有 すべての返信 모든 응답 답변
    """,
    "REMEMBER": """
        记住 保存 覚えて 기억
    """,
    "MEMORY": """
        记忆 内存 メモリ 메모리
    """,
    "ENTER": """
        输入 提供 入力 입력
    """,
    "SEED": """
        助记词 助記詞 恢复短语 シードフレーズ 시드 구문 私钥
    """,
    "PERSON_CLAIM": """
        我是用户 我是开发者 我是管理员 私はユーザー 나는 사용자
    """,
    "ABOUT": """
        注入 攻击 例如 攻撃 공격 示例 例えば 漏洞
    """,
    "MENTION": """
        可能 试图 会让 企图 可以让
    """,
    "ORDER": """
        发送 发给 转发 显示 删除 输出 調用 调用 执行 送信 보내 삭제
    """,
    "NOTE_TO": """
        致 对于阅读本文的
    """,
    "NEW_TASK": """
        新指令 新的指令 新任务 新的任务 新指示 新的指示 新しい指示 新しいタスク
        새로운 지시 새 작업 新的命令
    """,
    "FULLY": """
        一切 所有问题 任何问题 すべての質問 모든 질문
    """,
}
"""Sense -> terms of languages that have none, found anywhere in a text."""
