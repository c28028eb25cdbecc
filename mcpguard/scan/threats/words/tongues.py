"""What words mean in French, Portuguese, Italian, Russian, Japanese and Korean.

Written as a reading is: lower case, without accents. Of Russian, Japanese and Korean the stems,
which are found inside words. What is also an English word is left out, or stands in a phrase.
"""

# ruff: noqa: RUF001 - other alphabets are what it is for

__all__ = ["TONGUES"]

TONGUES: dict[str, str] = {
    "NEG": """
        ne; jamais; aucun; aucune; sans; inutile; inutile de; nul besoin; evite de; nao; nunca;
        sem; nenhum; nenhuma; evite; non dire; senza; mai; nessun; nessuno; nessuna; evita di;
        никогда; не; без; нельзя; никому; せずに; しないで; 決して; ないように; なしに; 絶対に;
        禁止; 하지 마; 하지 말; 없이; 절대; 말고; 금지; 않고;
    """,
    "NEGP": """
        pas; ません; ないでください; しないこと; 마세요; 마십시오; 말 것; 마라; 말아;
    """,
    "TELL": """
        dis; dire; dites; informe; informer; informez; previens; prevenir; prevenez; mentionne;
        mentionner; mentionnez; avertis; avertir; avertissez; signale; signaler; parle; revele;
        reveler; diga; dizer; conte; contar; avise; avisar; mencione; mencionar; revelar;
        notifique; dirlo; dica; informare; informa; avvisare; avvisa; menzionare; menziona;
        rivelare; comunicare; non dirlo; сообща; сообщи; говори; скажи; упомин; рассказ; уведом;
        информир; раскрыва; предупрежда; 知らせ; 伝え; 言わ; 言及; 報告し; 通知し; 話さ; 明かさ;
        알리; 말하; 언급; 알려; 보고하; 통지; 밝히;
    """,
    "SHOW": """
        montre; montrer; affiche; afficher; mostre; mostrare; mostra; показыва; покажи; 見せ;
        表示し; 보여; 표시하;
    """,
    "ASK": """
        demande; demander; demandez; confirmer; autorisation; accord de; perguntar; pergunte;
        pedir permissao; confirmacao; permissao; autorizacao; chiedere; chiedi; conferma; permesso;
        consenso; autorizzazione; спрашива; спроси; подтвержд; разрешен; согласи; 確認を; 許可;
        同意; 尋ね; 承認; 묻지; 확인을; 허락; 동의; 승인;
    """,
    "USER": """
        utilisateur; utilisateurs; l'utilisateur; l'usager; usager; d'utilisateur; usuario;
        usuarios; utilizador; utente; l'utente; all'utente; dell'utente; utenti; пользовател;
        человек; ユーザー; 利用者; 使用者; 人間; 사용자; 유저; 이용자;
    """,
    "MODEL": """
        l'assistant; l'ia; modele de langage; l'agent; assistente; modelo de linguagem;
        l'assistente; modello linguistico; intelligenza artificiale; ассистент; языковая модель;
        модель; помощник; нейросет; アシスタント; モデル; エージェント; 言語モデル; 人工知能;
        어시스턴트; 모델; 에이전트; 비서; 인공지능;
    """,
    "YOU": """
        vous; votre; vos; ton; tes; toi; voce; seu; sua; seus; suas; tuo; tua; tuoi; tue; вы; ваш;
        твой; твои; あなた; 당신; 너의;
    """,
    "MUST": """
        doit; doivent; devez; dois; veuillez; il faut; obligatoire; est prie; est priee; imperatif;
        imperativement; deve; devem; e necessario; obrigatorio; por gentileza; certifique se;
        deve essere; devi; bisogna; occorre; obbligatorio; necessario; должен; должна; должны;
        обязательно; необходимо; нужно; следует; требуется; пожалуйста; 必ず; べき; しなければ;
        必要が; ください; 반드시; 꼭; 해야; 하십시오; 필수; 주세요; 하세요;
    """,
    "ALWAYS": """
        toujours; chaque fois; a chaque; systematiquement; sempre; sempre que; toda vez; cada vez;
        em todos; ogni volta; in ogni; automaticamente; всегда; каждый раз; всякий раз; каждом;
        постоянно; автоматически; 常に; いつも; 毎回; たびに; 自動的; 항상; 언제나; 매번; 때마다;
        자동으로;
    """,
    "WHEN": """
        avant; avant de; apres; lorsque; quand; d'abord; ensuite; puis; des que; depois; quando;
        primeiro; primeiramente; em seguida; prima; prima di; dopo; poi; qualora; innanzitutto;
        перед; прежде; после; когда; если; сначала; затем; при; сперва; 前に; 後に; 場合; とき;
        際に; まず; その後; 次に; 전에; 후에; 경우; 때; 먼저; 다음에; 그 후;
    """,
    "USE": """
        utilise; utiliser; utilisez; appelle; appeler; appelez; invoque; emploie; choisis; choisir;
        choisissez; recourir; recours; appel; l'appel; use a; usada; usado; utilizada; chame;
        chamar; chamada; escolha; escolher; recorra; usi; usalo; usala; usare; usato; usata;
        utilizza; utilizzare; utilizzato; chiama; chiamare; chiamata; scegli; scegliere; использу;
        использова; вызов; вызыва; вызва; выбира; выбери; применя; обраща; 使用; 使っ; 使う; 使い;
        利用し; 呼び出; 選択; 選ん; 選ぶ; 사용; 호출; 선택; 이용하;
    """,
    "RUN": """
        execute; executer; executez; lance; lancer; lancez; exec; execute o; rodar; rode; esegui;
        eseguire; avvia; avviare; lancia; выполни; выполня; запусти; запуска; исполн; 実行; 起動;
        走らせ; 실행; 구동; 돌려;
    """,
    "TOOL": """
        outil; outils; l'outil; fonction; fonctions; serveur; serveurs; d'outils; ferramenta;
        ferramentas; funcao; funcoes; strumento; strumenti; lo strumento; funzione; funzioni;
        инструмент; функци; сервер; сервис; утилит; ツール; 関数; サーバー; サービス; 機能; 도구;
        함수; 서버; 서비스; 툴;
    """,
    "THIS": """
        cet; cette; ce; celui ci; notre; esta ferramenta; este; essa; nossa; questo; questa;
        nostro; quest; этот; этого; эту; этой; этим; наш; この; これ; 우리; 이 도구; 본 도구;
    """,
    "OTHER": """
        autre; autres; d'autres; les autres; des autres; concurrents; outra; outras; outro; outros;
        as demais; demais; concorrentes; altri; altro; altra; altre; gli altri; concorrenti; друг;
        любых других; остальн; иные; иных; конкурент; 他の; 別の; その他; 類似の; 競合; 다른; 기타;
        타사; 그 밖의; 경쟁;
    """,
    "INSTEAD": """
        a la place; au lieu; plutot que; remplace; en lieu; avant tous; ao inves; em vez; no lugar;
        em lugar; substitui; ao inves de; invece; invece di; al posto; anziche; sostituisce;
        piuttosto che; вместо; взамен; вместо того; заменяет; 代わり; のかわり; ではなく; より優先;
        대신; 대체; 보다 우선;
    """,
    "GONE": """
        obsolete; depasse; hors service; desactive; plus disponible; peu fiable; dangereux;
        obsoleta; desativada; indisponivel; insegura; lentas; inseguras; nao funciona; obsoleto;
        disattivato; non disponibile; insicuro; lenti; inaffidabile; устаре; отключ; недоступ;
        ненадеж; небезопас; сломан; медленн; 廃止; 非推奨; 利用できない; 古い; 危険; 信頼でき;
        遅い; 더 이상; 폐기; 사용할 수 없; 오래된; 안전하지; 느리; 불안정;
    """,
    "BEST": """
        meilleur; meilleure; le meilleur; la meilleure; le plus fiable; le plus rapide; melhor;
        a melhor; o melhor; mais confiavel; mais preciso; migliore; il migliore; la migliore;
        piu affidabile; piu preciso; лучш; наилучш; самый точн; самый надеж; единственн; 最高;
        最も優れ; 最も正確; 最良; 最強; 一番; 唯一; 최고; 가장 정확; 가장 뛰어난; 가장 좋은; 최상;
        유일;
    """,
    "PREFER": """
        preferer; prefere; preferez; privilegie; privilegier; privilegiez; priorite; recommande;
        prefira; preferir; preferencia; prioridade; recomende; priorize; preferisci; preferiscilo;
        preferire; preferiscila; priorita; preferenza; consiglia; предпочита; предпочт; приоритет;
        отдавай предпочт; рекоменд; 優先; 好ん; 推奨; おすすめ; 우선; 선호; 추천;
    """,
    "IGNORE": """
        ignore; ignorer; ignorez; oublie; oublier; oubliez; ne tiens pas compte; passe outre;
        contourne; ignorar; esqueca; esquecer; desconsidere; desconsiderar; ignora; ignorare;
        dimentica; dimenticare; trascura; non tenere conto; игнориру; забудь; забудьте; обойди;
        не обращай внимания; отбрось; 無視; 忘れ; 従わな; 무시; 잊어; 따르지;
    """,
    "PRIOR": """
        tous; toutes; toute; tout; precedent; precedents; precedente; precedentes; anterieures;
        anteriores; todos; todas; toda; tutte; tutti; tutto; precedenti; все; всех; всё; любой;
        любые; предыдущ; прежни; прошл; これまで; 以前の; すべて; 全て; 全部; 上記; 前の; 모든;
        이전; 지금까지; 앞의; 전부; 기존;
    """,
    "INSTR": """
        consigne; consignes; directives; regles; instrucoes; regras; diretrizes; ordens;
        istruzioni; istruzione; regole; direttive; ordini; инструкц; указани; правил; директив;
        指示; 命令; ルール; 規則; 制約; 지시; 명령; 규칙; 지침; 제한;
    """,
    "CONV": """
        l'historique; historique de; la conversation; cette conversation; fil de discussion;
        nos echanges; conversa; historico; historico da; conversazione; cronologia; переписк;
        истори сообщ; историю; диалог; разговор; чат; беседы; беседу; 会話; 履歴; 対話; チャット;
        対話ログ; 대화; 채팅; 기록 전체; 대화 내용;
    """,
    "SYSTEM": """
        prompt systeme; message systeme; invite systeme; instructions systeme; prompt do sistema;
        prompt de sistema; mensagem do sistema; prompt di sistema; messaggio di sistema;
        системный промпт; системн подсказ; системное сообщение; системных инструкц;
        システムプロンプト; システム指示; システムメッセージ; 시스템 프롬프트; 시스템 메시지;
        시스템 지시;
    """,
    "SECRET": """
        mot de passe; mots de passe; identifiants; cle privee; cles privees; secrets;
        variables d'environnement; cle api; jetons; jeton d'acces; carte bancaire; senha; senhas;
        credenciais; chave privada; chaves; variaveis de ambiente; chave api; cartao de credito;
        password dell; credenziali; chiave privata; chiavi; variabili d'ambiente; carta di credito;
        парол; учетны; ключ; секрет; токен; переменные окружения; переменных окружения; банковск;
        パスワード; 秘密鍵; 認証情報; 環境変数; トークン; 秘密; 鍵; クレジットカード; apiキー;
        비밀번호; 암호; 개인 키; 인증 정보; 환경 변수; 토큰; 비밀; 키 파일; 신용카드;
    """,
    "READ": """
        lis; lire; lisez; ouvre; ouvrir; ouvrez; recupere; recuperer; recuperez; copie; copier;
        collecte; collecter; consulte; consulter; contenu; le contenu; leia; abra; leitura; colete;
        obtenha; conteudo; o conteudo; leggi; leggere; apri; aprire; raccogli; recupera; contenuto;
        il contenuto; прочита; чита; откро; открыва; собер; собира; скопиру; извлек; содержим;
        загрузи; 読み取; 読ん; 読み込; 開い; 取得し; 収集; コピーし; 内容; 읽; 열어; 수집; 복사;
        가져; 내용;
    """,
    "SEND": """
        envoie; envoyer; envoyez; transmets; transmettre; transmettez; transfere; transferer;
        transferez; televerse; televerser; partage; partager; envie; enviar; mande; mandar;
        encaminhe; encaminhar; transmita; repasse; invia; inviare; inoltra; inoltrare; trasmetti;
        trasmettere; carica; spedisci; отправ; отправля; перешли; пересыла; передава; передай;
        загруз; выслать; вышли; 送信; 送っ; 転送; アップロード; 送付; 共有し; 渡し; 보내; 전송;
        전달; 업로드; 공유하;
    """,
    "PUT": """
        joins; joindre; joignez; joins les; ajoute; ajouter; ajoutez; mets; mettre; mettez; inclus;
        inclure; insere; inserer; inserez; place le; fournis; acrescente; acrescentar; adicione;
        adicionar; inclua; insira; coloque; passe; preencha; inserisci; inserire; inseriscilo;
        aggiungi; aggiungere; metti; includi; allega; allegare; добав; встав; вклад; прикрепи;
        укажи; подставля; помест; запиши; впиши; 入れ; 追加; 含め; 添付; 挿入; 設定し; 記入; 넣으;
        넣어; 추가; 포함; 첨부; 입력하; 삽입;
    """,
    "PARAM": """
        parametre; le parametre; champ; le champ; dans le champ; parametro; campo; no campo;
        argomento; nel campo; nel parametro; valore; параметр; поле; аргумент; значение;
        パラメータ; 引数; フィールド; 欄; 매개변수; 파라미터; 인수; 필드; 값;
    """,
    "CHANGE": """
        remplace par; remplacer; remplacez; modifie; modifier; modifiez; change; changer; altere;
        alterar; troque; trocar; mude; substitua; substituir; modifique; sostituisci; sostituire;
        cambia; cambiare; modifica; modificare; замени; заменя; измени; изменя; поменя; подмени;
        変更; 置き換え; 書き換え; 改変; 差し替え; 바꾸; 변경; 교체; 수정하; 바꿔;
    """,
    "REGARD": """
        peu importe; quel que soit; quoi que; independamment; meme si; malgre; independentemente;
        nao importa; mesmo que; apesar; indipendentemente; anche se; a prescindere; qualunque;
        независимо; даже если; несмотря; что бы ни; に関係なく; にかかわらず; としても; 問わず;
        상관없이; 관계없이; 무관하게; 하더라도;
    """,
    "SILENT": """
        discretement; en silence; secretement; a l'insu; en cachette; silenciosamente; em segredo;
        discretamente; copia oculta; em copia oculta; sem que; di nascosto; segretamente;
        in silenzio; all'insaputa; copia nascosta; тайно; незаметно; скрытно; втайне; молча;
        こっそり; 密かに; 黙っ; 気づかれ; 内緒; 몰래; 조용히; 비밀리; 은밀;
    """,
    "AUTH": """
        mise a jour du systeme; politique de securite; pour des raisons de; conformite;
        administrateur; atualizacao do sistema; politica de seguranca; por motivos de;
        conformidade; administrador do; aggiornamento di sistema; politica di sicurezza;
        per motivi di; conformita; amministratore; администратор; политик безопасн;
        в целях безопасн; обновление систем; требовани безопасн; 管理者; セキュリティ上;
        規定により; コンプライアンス; システム更新; 관리자; 보안 정책; 보안상; 규정 준수;
        시스템 업데이트;
    """,
    "RECIP": """
        destinataire; destinataires; le destinataire; beneficiaire; compte de; montant; virement;
        courriels; destinatario; conta de destino; valor da; pagamento; pagamentos; transferencia;
        e mails; beneficiario; conto; importo; bonifico; pagamenti; получател; счет; счёт; адресат;
        сумм; платеж; перевод средств; письма; 宛先; 受信者; 送金先; 口座; 金額; 振込; 수신자;
        받는 사람; 계좌; 금액; 송금; 결제;
    """,
    "DEST": """
        serveur externe; notre serveur; adresse suivante; a l'adresse; servidor externo;
        nosso servidor; seguinte endereco; server esterno; nostro server; seguente indirizzo;
        внешний сервер; наш сервер; на адрес; по адресу; 外部サーバ; 次のアドレス; 외부 서버;
        다음 주소;
    """,
    "FAIL": """
        sinon; echouera; ne fonctionnera; caso contrario; falhara; nao funcionara; altrimenti;
        fallira; non funzionera; иначе; не сработает; не будет работать; 失敗し; 動作しませ;
        さもないと; 실패; 그렇지 않으면; 작동하지;
    """,
    "ROLE": """
        tu es maintenant; vous etes maintenant; desormais; dorenavant; a partir de maintenant;
        nouvelles instructions; agora voce e; a partir de agora; de agora em diante;
        novas instrucoes; finja; d'ora in poi; da ora; da adesso; ora sei; nuove istruzioni; fingi;
        отныне; теперь ты; притвор; новые инструкц; これから; 今後は; 今から; 新しい指示; ふりをし;
        이제부터; 지금부터; 앞으로는; 새로운 지시; 인 척;
    """,
    "PRESENT": """
        est present; est installe; est disponible; esta presente; esta instalada; e presente;
        e installato; установлен; присутству; インストールされ; 存在する場合; 설치되어;
    """,
    "RESP": """
        reponds; repondre; reponse; reponses; ta reponse; resposta; respostas; responda; rispondi;
        risposta; risposte; ответ; отвеча; 返答; 回答; 返信; 応答; 답변; 응답; 대답;
    """,
    "FILE": """
        fichier; fichiers; dossier; repertoire; le fichier; arquivo; arquivos; ficheiro; pasta;
        documento; documentos; cartella; il file; documenti; файл; документ; папк; каталог;
        ファイル; 文書; フォルダ; ディレクトリ; 파일; 문서; 폴더; 디렉터리;
    """,
    "DECODE": """
        decode le; decoder; dechiffre; decodifique; decifre; decodifica; decifra; расшифру;
        декодиру; デコード; 復号; 디코딩; 해독;
    """,
}
"""Concept -> its words, `;` between them."""
