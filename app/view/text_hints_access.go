package view

// hintsOfAccessJA are on whether a server can have a token as things stand.
var hintsOfAccessJA = []phrase{
	{"Keyporter is stopped.", "Keyporterは停止しています。"},
	{"Start it with keyporter start.", "keyporter start で開始してください。"},
	{"Keyporter is paused.", "Keyporterは一時停止中です。"},
	{"Resume it in the tray or with keyporter resume.", "トレイまたは keyporter resume で再開してください。"},
	{"%s needs a sign-in.", "$1へのサインインが必要です。"},
	{"%s needs a new sign-in.", "$1へのサインインがもう一度必要です。"},
	{"%s needs a new sign-in. %s", "$1へのサインインがもう一度必要です。$2"},
	{"Sign in from the tray, or run: %s", "トレイからサインインするか、次を実行してください: $1"},
	{"The sign-in to %s is under way in the browser.", "$1へのサインインがブラウザーで進行中です。"},
	{"Finish it there.", "ブラウザーで完了してください。"},
	{"The vault is being opened.", "保管庫を開いています。"},
	{"Try again in a moment.", "少し待ってからもう一度試してください。"},
	{"%s uses the account \"%s\", which does not exist.", "$1が使うアカウント「$2」がありません。"},
	{"Add it, or choose another: %s", "追加するか、別のアカウントを選んでください: $1"},
	{"%s wants a %s, and no account is given to it.", "$1には$2が必要ですが、アカウントが割り当てられていません。"},
	{"Add one with keyporter account add %s, then: %s", "keyporter account add $1 で追加し、次を実行してください: $2"},
	{"The account \"%s\" goes through the account \"%s\", which does not exist.", "アカウント「$1」が経由するアカウント「$2」がありません。"},
	{"Add it, or remove this account and add it again.", "追加するか、このアカウントを削除してもう一度追加してください。"},
	{"The secret headers of %s are not in the vault.", "$1の秘密のヘッダーが保管庫にありません。"},
	{"Give them again: %s", "もう一度指定してください: $1"},
	{"The address of %s was changed to %s, and its secret headers have not been allowed to go there.", "$1のアドレスが$2に変更されましたが、秘密のヘッダーをそこへ送ることは承認されていません。"},
	{"If that is right, run: %s", "それで正しい場合は、次を実行してください: $1"},
	{"The parameter %s of the address of %s is not in the vault.", "$2のアドレスのパラメーター$1が保管庫にありません。"},
	{"Remove the server and add it again.", "サーバーを削除してもう一度追加してください。"},
	{"The secret header %s of %s is not in the vault.", "$2の秘密のヘッダー$1が保管庫にありません。"},
	{"Give it: %s", "指定してください: $1"},

	// Of any failure without words of its own.
	{"The operation was cancelled.", "操作は取り消されました。"},
	{"It took too long.", "時間がかかりすぎました。"},
	{"Try again.", "もう一度試してください。"},
	{"Something went wrong.", "問題が発生しました。"},
	{"Copy the details for whoever looks after this computer.", "詳細をコピーして、このコンピューターの管理者に渡してください。"},
}
