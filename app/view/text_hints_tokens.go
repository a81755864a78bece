package view

// hintsOfTokensJA are on what a token says about itself, against what its server
// expects.
var hintsOfTokensJA = []phrase{
	{"Get one that fits where it was made, then: %s", "作成した場所で適合するものを取得し、次を実行してください: $1"},

	// Form and times.
	{"The token is encrypted, for %s.", "トークンは $1 に宛てて暗号化されています。"},
	{"Ask the owner of the server whether it can read encrypted tokens.", "暗号化されたトークンを読み取れるかどうかをサーバーの管理者に確認してください。"},
	{"The token is encrypted, so that only the provider itself can read it; providers such as Auth0 do that when they are not told the audience.", "トークンは暗号化されていて、プロバイダー自身しか読み取れません。Auth0 などのプロバイダーは、audience が指定されないとこのようにします。"},
	{"The token is a Google access token, which only Google can read; a server that checks ID tokens refuses it.", "トークンは Google のアクセストークンで、Google だけが読み取れます。ID トークンを検査するサーバーでは拒否されます。"},
	{"If it runs on Cloud Run, behind IAP or with a JWTVerifier, use an account with --audience in place of --scope.", "サーバーが Cloud Run、IAP の背後、または JWTVerifier で動いている場合は、--scope の代わりに --audience を指定したアカウントを使ってください。"},
	{"The token is opaque; Auth0 issues such when it is not told the audience.", "トークンは不透明です。Auth0 は、audience が指定されないとこのようなトークンを発行します。"},
	{"The token is opaque: only the provider can say what it is good for, and a server that expects a JWT refuses it.", "トークンは不透明で、用途はプロバイダーにしか分かりません。JWT を求めるサーバーでは拒否されます。"},
	{"Ask the owner of the server whether it wants a JWT or an ID token (--use-id-token).", "JWT と ID トークン (--use-id-token) のどちらが必要かをサーバーの管理者に確認してください。"},
	{"The token expired at %s.", "トークンの有効期限は $1 に切れました。"},
	{"Check this computer's clock, or sign in again.", "このコンピューターの時計を確認するか、もう一度サインインしてください。"},
	{"The token is good only from %s on, which is still to come by this computer's clock.", "トークンは $1 から有効になります。このコンピューターの時計では、まだその時刻になっていません。"},
	{"Set this computer's clock right.", "このコンピューターの時計を合わせてください。"},

	// Issuer.
	{"The token is signed by the service account's own key and not by Google.", "トークンの署名は Google のものではなく、サービスアカウント自身のキーによるものです。"},
	{"Use an account without --self-signed if the server checks Google's signature, as Cloud Run and most verifiers do.", "Cloud Run や多くの検証プログラムのように、サーバーが Google の署名を検査する場合は、--self-signed を付けないアカウントを使ってください。"},
	{"The token is of the issuer %s and the server names %s; verifiers compare each character, the slash at the end included.", "トークンの発行者は $1 ですが、サーバーが示す発行者は $2 です。検証では、末尾のスラッシュを含めて 1 文字ずつ比較されます。"},
	{"Ask the owner of the server to set the issuer as the token has it, byte for byte.", "トークンにある発行者をそのまま設定するよう、サーバーの管理者に依頼してください。"},
	{"The token is of Entra ID's older kind, version 1 (issuer %s), and the server names %s.", "トークンは Entra ID の古い形式(バージョン 1、発行者 $1)ですが、サーバーが示す発行者は $2 です。"},
	{"Ask the administrator to set requestedAccessTokenVersion to 2 in the manifest of the server's app registration.", "サーバーのアプリ登録のマニフェストで requestedAccessTokenVersion を 2 に設定するよう、管理者に依頼してください。"},
	{"The token is of the issuer %s, and the server takes tokens of %s.", "トークンの発行者は $1 ですが、サーバーが受け付けるのは $2 のトークンです。"},
	{"Give the server an account of that issuer, or ask its owner to accept this one.", "その発行者のアカウントをサーバーに割り当てるか、この発行者を受け付けるようサーバーの管理者に依頼してください。"},

	// Audience.
	{"The token is for %s and the server is %s; verifiers such as FastMCP's compare each character, the slash at the end included.", "トークンの宛先は $1 ですが、サーバーは $2 です。FastMCP などの検証では、末尾のスラッシュを含めて 1 文字ずつ比較されます。"},
	{"Ask for %s exactly, with %s, or ask the owner of the server to accept both.", "$2 で $1 をそのまま指定するか、両方を受け付けるようサーバーの管理者に依頼してください。"},
	{"--audience or --resource", "--audience または --resource"},
	{"keyporter set %s resource=ADDRESS (or audience=ADDRESS)", "keyporter set $1 resource=ADDRESS(または audience=ADDRESS)"},
	{"The token is for %s and the server is %s; many servers take their whole address only, others just the host.", "トークンの宛先は $1 ですが、サーバーは $2 です。多くのサーバーはアドレス全体だけを受け付け、ホストだけを受け付けるサーバーもあります。"},
	{"Ask the owner of the server which audience it takes, such as %s, and set it with %s.", "受け付ける audience($1 など)をサーバーの管理者に確認し、$2 で設定してください。"},
	{"The token is for %s, which has to be the address of the service behind %s.", "トークンの宛先は $1 です。これは $2 の背後にあるサービスのアドレスでなければなりません。"},
	{"Check with the owner of the server that it is.", "その通りかどうかをサーバーの管理者に確認してください。"},
	{"The token is for the client ID %s, as Identity-Aware Proxy wants it.", "トークンの宛先はクライアント ID $1 で、Identity-Aware Proxy が求める形です。"},
	{"Check that it is the client ID that Identity-Aware Proxy uses for this server, and that the account may pass it.", "Identity-Aware Proxy がこのサーバーに使うクライアント ID であること、このアカウントに通過が許可されていることを確認してください。"},
	{"The token is for the client that signed in, %s, and not for the server.", "トークンの宛先はサーバーではなく、サインインしたクライアント $1 です。"},
	{"Ask the owner of the server to accept this client ID (on Cloud Run: as a custom audience), or impersonate a service account with --audience.", "このクライアント ID を受け付けるよう(Cloud Run ではカスタム audience として)サーバーの管理者に依頼するか、--audience を指定してサービスアカウントとして使ってください。"},
	{"The token is an ID token for the client %s and not for the server.", "トークンはサーバーのものではなく、クライアント $1 の ID トークンです。"},
	{"If the server wants access tokens, set it up without --use-id-token.", "サーバーがアクセストークンを求める場合は、--use-id-token を付けずに設定してください。"},
	{"The token is for %s; behind a domain of its own, Cloud Run expects the service's own address and Identity-Aware Proxy its client ID.", "トークンの宛先は $1 です。独自ドメインの背後では、Cloud Run はサービス自身のアドレスを、Identity-Aware Proxy は自身のクライアント ID を求めます。"},
	{"Ask the owner of the server which audience it takes, and set it with %s: the service's own address (https://….run.app), the client ID of Identity-Aware Proxy, or its whole address.", "受け付ける audience をサーバーの管理者に確認し、$1 で設定してください。サービス自身のアドレス (https://….run.app)、Identity-Aware Proxy のクライアント ID、アドレス全体のいずれかです。"},
	{"The token is for %s, and the server is %s.", "トークンの宛先は $1 ですが、サーバーは $2 です。"},
	{"Set the audience that the server expects, with %s.", "サーバーが求める audience を $1 で設定してください。"},
	{"Access tokens of Cognito name a client and no audience.", "Cognito のアクセストークンには、クライアントだけがあり、audience がありません。"},
	{"If the server checks the audience, set it up with --use-id-token.", "サーバーが audience を検査する場合は、--use-id-token を付けて設定してください。"},
	{"The token names no audience, so a server that checks it refuses it.", "トークンに audience がないため、それを検査するサーバーでは拒否されます。"},
	{"The token is for Microsoft Graph: the scopes that were asked for name no other application.", "トークンの宛先は Microsoft Graph です。要求したスコープが、ほかのアプリケーションを示していません。"},
	{"Set the scope to one that names the server's application, such as --scope api://APP/access.", "サーバーのアプリケーションを示すスコープを設定してください。例: --scope api://APP/access"},
	{"The token is for Keycloak's own account console: the realm puts no other audience into it.", "トークンの宛先は Keycloak 自身のアカウントコンソールです。レルムがほかの audience を入れていません。"},
	{"Ask the administrator of the realm for an audience mapper or a client scope that names the server.", "サーバーを示す audience マッパーまたはクライアントスコープを、レルムの管理者に依頼してください。"},
	{"The token is for the provider's own userinfo endpoint: it was not told the audience.", "トークンの宛先はプロバイダー自身の userinfo エンドポイントです。audience が指定されていません。"},
	{"The token is of the Okta organisation's own authorization server, whose tokens are for Okta's own interfaces.", "トークンは Okta の組織の認可サーバーが発行したもので、Okta 自身の API にだけ使えます。"},
	{"Ask the administrator for a custom authorization server (/oauth2/ID) with the server's address as its audience.", "サーバーのアドレスを audience とするカスタム認可サーバー (/oauth2/ID) を管理者に依頼してください。"},

	// Scope, and keys.
	{"The server requires scopes (%s), and Google's ID tokens never carry any.", "サーバーはスコープ($1)を求めていますが、Google の ID トークンにスコープが入ることはありません。"},
	{"not named", "指定なし"},
	{"Ask the owner of the server to require no scopes of them (required_scopes of a JWTVerifier), and to look at email or aud instead.", "ID トークンにはスコープを求めず(JWTVerifier の required_scopes)、代わりに email か aud を確認するよう、サーバーの管理者に依頼してください。"},
	{"Google's ID tokens carry no scope; a server that requires any refuses each of them.", "Google の ID トークンにはスコープが入りません。スコープを求めるサーバーでは必ず拒否されます。"},
	{"Ask the owner of the server to require no scopes of them (required_scopes of a JWTVerifier).", "ID トークンにはスコープを求めないよう(JWTVerifier の required_scopes)、サーバーの管理者に依頼してください。"},
	{"The token has %s among its permissions and not in its scope.", "$1 はトークンの権限にはありますが、スコープにはありません。"},
	{"Ask the owner of the server to look there too.", "権限も確認するよう、サーバーの管理者に依頼してください。"},
	{"The token has not the scope %s that the server requires.", "サーバーが求めるスコープ $1 がトークンにありません。"},
	{"Sign in again; if that does not bring it, ask the administrator of the provider for the permission.", "もう一度サインインしてください。それでも得られない場合は、プロバイダーの管理者に権限を依頼してください。"},
	{"The token is bound to a client certificate, which does not travel with it.", "トークンはクライアント証明書に結び付けられていますが、証明書は一緒に送られません。"},
	{"Ask the administrator of the provider for tokens without it.", "証明書に結び付けないトークンをプロバイダーの管理者に依頼してください。"},
}
