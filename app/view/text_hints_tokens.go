package view

// hintsOfTokensJA are on what a token says about itself, against what its server
// expects.
var hintsOfTokensJA = []phrase{
	{"Get one that fits where it was made, then: %s", "作成した場所で適合するものを取得し、次を実行してください: $1"},

	// Form and times.
	{"The token is encrypted, for %s.", "トークンは$1に宛てて暗号化されています。"},
	{"Ask the owner of the server whether it can read encrypted tokens.", "暗号化されたトークンを読み取れるかどうかをサーバーの管理者に確認してください。"},
	{"The token is encrypted, so that only the provider itself can read it; providers such as Auth0 do that when they are not told the audience.", "トークンは暗号化されていて、プロバイダー自身しか読み取れません。Auth0などのプロバイダーは、audienceが指定されないとこのようにします。"},
	{"The token is a Google access token, which only Google can read; a server that checks ID tokens refuses it.", "トークンはGoogleのアクセストークンで、Googleだけが読み取れます。IDトークンを検査するサーバーでは拒否されます。"},
	{"If it runs on Cloud Run, behind IAP or with a JWTVerifier, use an account with --audience in place of --scope.", "サーバーがCloud Run、IAPの背後、またはJWTVerifierで動いている場合は、--scopeの代わりに--audienceを指定したアカウントを使ってください。"},
	{"The token is opaque; Auth0 issues such when it is not told the audience.", "トークンは不透明です。Auth0は、audienceが指定されないとこのようなトークンを発行します。"},
	{"The token is opaque: only the provider can say what it is good for, and a server that expects a JWT refuses it.", "トークンは不透明で、用途はプロバイダーにしか分かりません。JWTを求めるサーバーでは拒否されます。"},
	{"Ask the owner of the server whether it wants a JWT or an ID token (--use-id-token).", "JWTとIDトークン(--use-id-token)のどちらが必要かをサーバーの管理者に確認してください。"},
	{"The token expired at %s.", "トークンの有効期限は$1に切れました。"},
	{"Check this computer's clock, or sign in again.", "このコンピューターの時計を確認するか、もう一度サインインしてください。"},
	{"The token is good only from %s on, which is still to come by this computer's clock.", "トークンは$1から有効になります。このコンピューターの時計では、まだその時刻になっていません。"},
	{"Set this computer's clock right.", "このコンピューターの時計を合わせてください。"},

	// Issuer.
	{"The token is signed by the service account's own key and not by Google.", "トークンの署名はGoogleのものではなく、サービスアカウント自身のキーによるものです。"},
	{"Use an account without --self-signed if the server checks Google's signature, as Cloud Run and most verifiers do.", "Cloud Runや多くの検証プログラムのように、サーバーがGoogleの署名を検査する場合は、--self-signedを付けないアカウントを使ってください。"},
	{"The token is of the issuer %s and the server names %s; verifiers compare each character, the slash at the end included.", "トークンの発行者は$1ですが、サーバーが示す発行者は$2です。検証では、末尾のスラッシュを含めて1文字ずつ比較されます。"},
	{"Ask the owner of the server to set the issuer as the token has it, byte for byte.", "トークンにある発行者をそのまま設定するよう、サーバーの管理者に依頼してください。"},
	{"The token is of Entra ID's older kind, version 1 (issuer %s), and the server names %s.", "トークンはEntra IDの古い形式(バージョン1、発行者$1)ですが、サーバーが示す発行者は$2です。"},
	{"Ask the administrator to set requestedAccessTokenVersion to 2 in the manifest of the server's app registration.", "サーバーのアプリ登録のマニフェストでrequestedAccessTokenVersionを2に設定するよう、管理者に依頼してください。"},
	{"The token is of the issuer %s, and the server takes tokens of %s.", "トークンの発行者は$1ですが、サーバーが受け付けるのは$2のトークンです。"},
	{"Give the server an account of that issuer, or ask its owner to accept this one.", "その発行者のアカウントをサーバーに割り当てるか、この発行者を受け付けるようサーバーの管理者に依頼してください。"},

	// Audience.
	{"The token is for %s and the server is %s; verifiers such as FastMCP's compare each character, the slash at the end included.", "トークンの宛先は$1ですが、サーバーは$2です。FastMCPなどの検証では、末尾のスラッシュを含めて1文字ずつ比較されます。"},
	{"Ask for %s exactly, with %s, or ask the owner of the server to accept both.", "$1をそのまま指定するか($2)、両方を受け付けるようサーバーの管理者に依頼してください。"},
	{"--audience or --resource", "--audienceまたは--resource"},
	{"keyporter set %s resource=ADDRESS (or audience=ADDRESS)", "keyporter set $1 resource=ADDRESS、または audience=ADDRESS"},
	{"The token is for %s and the server is %s; many servers take their whole address only, others just the host.", "トークンの宛先は$1ですが、サーバーは$2です。多くのサーバーはアドレス全体だけを受け付け、ホストだけを受け付けるサーバーもあります。"},
	{"Ask the owner of the server which audience it takes, such as %s, and set it with %s.", "受け付けるaudience($1など)をサーバーの管理者に確認し、$2で設定してください。"},
	{"The token is for %s, which has to be the address of the service behind %s.", "トークンの宛先は$1です。これは$2の背後にあるサービスのアドレスでなければなりません。"},
	{"Check with the owner of the server that it is.", "その通りかどうかをサーバーの管理者に確認してください。"},
	{"The token is for the client ID %s, as Identity-Aware Proxy wants it.", "トークンの宛先はクライアントID $1で、Identity-Aware Proxyが求める形です。"},
	{"Check that it is the client ID that Identity-Aware Proxy uses for this server, and that the account may pass it.", "Identity-Aware Proxyがこのサーバーに使うクライアントIDであること、このアカウントに通過が許可されていることを確認してください。"},
	{"The token is for the client that signed in, %s, and not for the server.", "トークンの宛先はサーバーではなく、サインインしたクライアント$1です。"},
	{"Ask the owner of the server to accept this client ID (on Cloud Run: as a custom audience), or impersonate a service account with --audience.", "このクライアントIDを受け付けるよう(Cloud Runではカスタムaudienceとして)サーバーの管理者に依頼するか、--audienceを指定してサービスアカウントとして使ってください。"},
	{"The token is an ID token for the client %s and not for the server.", "トークンはサーバーのものではなく、クライアント$1のIDトークンです。"},
	{"If the server wants access tokens, set it up without --use-id-token.", "サーバーがアクセストークンを求める場合は、--use-id-tokenを付けずに設定してください。"},
	{"The token is for %s; behind a domain of its own, Cloud Run expects the service's own address and Identity-Aware Proxy its client ID.", "トークンの宛先は$1です。独自ドメインの背後では、Cloud Runはサービス自身のアドレスを、Identity-Aware Proxyは自身のクライアントIDを求めます。"},
	{"Ask the owner of the server which audience it takes, and set it with %s: the service's own address (https://….run.app), the client ID of Identity-Aware Proxy, or its whole address.", "受け付けるaudienceをサーバーの管理者に確認し、$1で設定してください。サービス自身のアドレス(https://….run.app)、Identity-Aware ProxyのクライアントID、アドレス全体のいずれかです。"},
	{"The token is for %s, and the server is %s.", "トークンの宛先は$1ですが、サーバーは$2です。"},
	{"Set the audience that the server expects, with %s.", "サーバーが求めるaudienceを$1で設定してください。"},
	{"Access tokens of Cognito name a client and no audience.", "Cognitoのアクセストークンには、クライアントだけがあり、audienceがありません。"},
	{"If the server checks the audience, set it up with --use-id-token.", "サーバーがaudienceを検査する場合は、--use-id-tokenを付けて設定してください。"},
	{"The token names no audience, so a server that checks it refuses it.", "トークンにaudienceがないため、それを検査するサーバーでは拒否されます。"},
	{"The token is for Microsoft Graph: the scopes that were asked for name no other application.", "トークンの宛先はMicrosoft Graphです。要求したスコープが、ほかのアプリケーションを示していません。"},
	{"Set the scope to one that names the server's application, such as --scope api://APP/access.", "サーバーのアプリケーションを示すスコープを設定してください。例: --scope api://APP/access"},
	{"The token is for Keycloak's own account console: the realm puts no other audience into it.", "トークンの宛先はKeycloak自身のアカウントコンソールです。レルムがほかのaudienceを入れていません。"},
	{"Ask the administrator of the realm for an audience mapper or a client scope that names the server.", "サーバーを示すaudienceマッパーまたはクライアントスコープを、レルムの管理者に依頼してください。"},
	{"The token is for the provider's own userinfo endpoint: it was not told the audience.", "トークンの宛先はプロバイダー自身のuserinfoエンドポイントです。audienceが指定されていません。"},
	{"The token is of the Okta organisation's own authorization server, whose tokens are for Okta's own interfaces.", "トークンはOktaの組織の認可サーバーが発行したもので、Okta自身のAPIにだけ使えます。"},
	{"Ask the administrator for a custom authorization server (/oauth2/ID) with the server's address as its audience.", "サーバーのアドレスをaudienceとするカスタム認可サーバー(/oauth2/ID)を管理者に依頼してください。"},

	// Scope, and keys.
	{"The server requires scopes (%s), and Google's ID tokens never carry any.", "サーバーはスコープ($1)を求めていますが、GoogleのIDトークンにスコープが入ることはありません。"},
	{"not named", "指定なし"},
	{"Ask the owner of the server to require no scopes of them (required_scopes of a JWTVerifier), and to look at email or aud instead.", "IDトークンにはスコープを求めず(JWTVerifierのrequired_scopes)、代わりにemailかaudを確認するよう、サーバーの管理者に依頼してください。"},
	{"Google's ID tokens carry no scope; a server that requires any refuses each of them.", "GoogleのIDトークンにはスコープが入りません。スコープを求めるサーバーでは必ず拒否されます。"},
	{"Ask the owner of the server to require no scopes of them (required_scopes of a JWTVerifier).", "IDトークンにはスコープを求めないよう(JWTVerifierのrequired_scopes)、サーバーの管理者に依頼してください。"},
	{"The token has %s among its permissions and not in its scope.", "$1はトークンの権限にはありますが、スコープにはありません。"},
	{"Ask the owner of the server to look there too.", "権限も確認するよう、サーバーの管理者に依頼してください。"},
	{"The token has not the scope %s that the server requires.", "サーバーが求めるスコープ$1がトークンにありません。"},
	{"Sign in again; if that does not bring it, ask the administrator of the provider for the permission.", "もう一度サインインしてください。それでも得られない場合は、プロバイダーの管理者に権限を依頼してください。"},
	{"The token is bound to a client certificate, which does not travel with it.", "トークンはクライアント証明書に結び付けられていますが、証明書は一緒に送られません。"},
	{"Ask the administrator of the provider for tokens without it.", "証明書に結び付けないトークンをプロバイダーの管理者に依頼してください。"},
}
