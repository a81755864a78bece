package view

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"keyporter/broker/local"
)

func TestWhatTheDoctorSawIsToldInJapanese(t *testing.T) {
	for seen, want := range map[string]string{
		"the vault's key is in the keyring":                                                     "保管庫のキーはキーリングにあります",
		"process 4711, since 2026-11-21 13:03:30, 3 bridges":                                    "プロセス 4711、開始 2026-11-21 13:03:30、ブリッジ 3 件",
		"process 4711, since 2026-11-21 13:03:30, 1 bridge":                                     "プロセス 4711、開始 2026-11-21 13:03:30、ブリッジ 1 件",
		"/home/a/config.json: 1 server, 12 accounts":                                            "/home/a/config.json: サーバー 1 件、アカウント 12 件",
		"1 tool after 21 ms, protocol 2025-11-25":                                               "ツール 1 件、21 ミリ秒、プロトコル 2025-11-25",
		"as it was written: 12 records":                                                         "書かれたときのままです: 記録 12 件",
		"process 4711, since 2026-11-21 13:03:30":                                               "プロセス 4711、開始 2026-11-21 13:03:30",
		"keyporter v1, agent v1, linux/amd64; MCP clients launch /usr/bin/keyporter":            "keyporter v1、エージェント v1、linux/amd64。MCP クライアントが起動するもの: /usr/bin/keyporter",
		"/home/is this/vault.age is open and can be written":                                    "/home/is this/vault.age は開いていて、書き込めます",
		"mcp.notion.com is 203.0.113.7, 203.0.113.8":                                            "mcp.notion.com は 203.0.113.7, 203.0.113.8",
		"12 s from the server's":                                                                "サーバーとの差は 12 秒",
		"HTTP 401, with the place of its metadata, protocol of the legacy era":                  "HTTP 401、メタデータの場所あり、プロトコルは従来の世代",
		"HTTP 401, without a word on how to get in; its protocol shows after the sign-in":       "HTTP 401、サインイン方法の案内なし。プロトコルはサインイン後に分かります",
		"HTTP 200, protocol 2025-11-25":                                                         "HTTP 200、プロトコル 2025-11-25",
		"a token of account etl, good for 42 min, renewed by itself":                            "アカウント etl のトークン、残り 42 分、自動で更新",
		"a token of name@example.com":                                                           "name@example.com のトークン",
		"JWT of https://as.example.com for https://mcp.example.com/mcp, scope read write":       "JWT、発行者 https://as.example.com、宛先 https://mcp.example.com/mcp、スコープ read write",
		"client id abc, registered by itself":                                                   "クライアント ID abc(自動で登録)",
		"client id abc, of the account":                                                         "クライアント ID abc(アカウントのもの)",
		"3 tools after 21 ms, protocol 2025-11-25; the server calls itself \"Notion is great\"": "ツール 3 件、21 ミリ秒、プロトコル 2025-11-25。サーバーの名乗り: \"Notion is great\"",
		"TLS 1.3, issued by somebody without a name, good until 2026-12-01":                     "TLS 1.3、発行者 名前なし、有効期限 2026-12-01",
		"through the proxy at 192.0.2.1:3128, after 5 ms":                                       "プロキシ 192.0.2.1:3128 経由、5 ミリ秒",
		"~/.config/Claude/claude_desktop_config.json: Notion":                                   "~/.config/Claude/claude_desktop_config.json: Notion",
		"https://a.example.com, people sign in at https://as.example.com, scopes read":          "https://a.example.com、サインイン先 https://as.example.com、スコープ read",
		"https://accounts.google.com (Google, the issuer https://accounts.google.com)":          "https://accounts.google.com(Google、発行者 https://accounts.google.com)",
		"off; bridges start the agent when they need it":                                        "オフ。ブリッジが必要なときにエージェントを起動します",
	} {
		check := &local.Check{ID: local.CheckAgent, Result: local.CheckOK, Seen: seen}
		if got := DoctorOf(TextsIn(Japanese), []*local.Check{check})[0].Rows[0].Seen; got != want {
			t.Errorf("%q is told as\n%q, want\n%q", seen, got, want)
		}
		if got := DoctorOf(TextsIn(English), []*local.Check{check})[0].Rows[0].Seen; got != seen {
			t.Errorf("%q is told in English as %q", seen, got)
		}
	}
}

func TestHintsAreToldInJapaneseSentenceBySentence(t *testing.T) {
	for said, want := range map[string]string{
		"notion needs a new sign-in. The sign-in at as.example.com has ended.": "notionへのサインインがもう一度必要です。as.example.comでのサインインは終了しました。",
		"Try again later. Or: Run: keyporter login notion":                     "後でもう一度試してください。または、次を実行してください: keyporter login notion",
		"The file /home/Dr. No. 2/x cannot be read. Try again later.":          "ファイル /home/Dr. No. 2/xを読み取れません。後でもう一度試してください。",
		"Try again later. Something else.":                                     "Try again later. Something else.",
	} {
		if got := TextsIn(Japanese).hint(said); got != want {
			t.Errorf("%q is told as\n%q, want\n%q", said, got, want)
		}
	}
}

// A server chooses what stands in a hole.
func TestAServersTextIsNotToldAsKeyportersSentence(t *testing.T) {
	ja := TextsIn(Japanese)
	for _, its := range []string{"Try again later. Sign in again.", "Sign in again.", "$2", "Run: Run: Run: x"} {
		said := "The file " + its + " cannot be understood: " + its + "."
		says, ok := ja.told(said)
		if !ok || strings.Contains(says, "もう一度") || its == "$2" && strings.Count(says, "$2") != 2 {
			t.Errorf("%q is told as %q", said, says)
		}
	}
}

// Looking for words may not cost more with each sentence than with the one before.
func TestALongTextOfAServerDoesNotFreezeTheWindow(t *testing.T) {
	for _, its := range []string{"a needs a sign-in. ", "a cannot be reached. ", "Run: ", "as it was written: ", "a. b has a problem at the moment. "} {
		for _, times := range []int{10, 40, 10_000} {
			said := "The server a uses the account \"" + strings.Repeat(its, times) + "\", which does not exist."
			tried := 0
			_, _ = bySentence(said, func(s string) (string, bool) {
				tried++
				return "x", !strings.HasSuffix(s, "exist.") // words for all but the end
			})
			if most := maxSentences * (maxSentences + 1) / 2; tried > most {
				t.Errorf("words for %d times %q were looked for %d times, want at most %d", times, its, tried, most)
			}
			TextsIn(Japanese).hint(said)
			TextsIn(Japanese).seen(said)
		}
	}
	long := strings.Repeat("a", maxSaid) + " needs a sign-in."
	if says, ok := TextsIn(Japanese).told(long); ok || says != long {
		t.Errorf("what is not shown as a whole was looked up")
	}
}

func TestPhrasesHaveTheSamePieces(t *testing.T) {
	for _, p := range slices.Concat(append(hintsJA, phrasesJA)...) {
		said, says := strings.Split(p.said, "|"), strings.Split(p.says, "|")
		if len(said) != len(says) {
			t.Fatalf("%q has another number of pieces than %q", p.said, p.says)
		}
		for i := range said {
			for n := 1; n <= 5; n++ {
				if has := strings.Contains(says[i], "$"+strconv.Itoa(n)); has != (n <= strings.Count(said[i], "%")) {
					t.Errorf("$%d in %q does not fit %q", n, says[i], said[i])
				}
			}
		}
	}
}

// A phrase that the agent's doctor learns needs words here: this reads its source
// for what may become a part of Check.Seen.
func TestEachPhraseOfTheDoctorHasWords(t *testing.T) {
	var known []string
	for _, p := range phrasesJA {
		known = append(known, strings.Split(p.said, "|")...)
	}
	words := regexp.MustCompile(`[a-z]{2}`)
	found := 0
	for said, where := range doctorSays(t) {
		said = strings.ReplaceAll(strings.TrimPrefix(said, "%s"), "%q", "%s")
		if !words.MatchString(said) {
			continue
		}
		found++
		if !slices.ContainsFunc(known, func(k string) bool { return strings.Contains(k, said) }) {
			t.Errorf("%s: %q has no Japanese words", where, said)
		}
	}
	if found < 40 {
		t.Errorf("only %d phrases were found: the test looks for them in the wrong places", found)
	}
}

// doctorSays returns the texts in the doctor's source that are given to ok and note,
// put into a variable that holds what was seen, or returned as a string, and where
// they stand.
func doctorSays(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../broker/doctor*.go")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	fset := token.NewFileSet()
	texts := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				s, _ := strconv.Unquote(l.Value)
				said[s] = fset.Position(l.Pos()).String()
			}
			return true
		})
	}
	holds := []string{"seen", "place", "registered", "who"}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "ok" || s.Sel.Name == "note") && len(n.Args) > 1 {
					texts(n.Args[1])
				}
			case *ast.AssignStmt:
				if to, ok := n.Lhs[0].(*ast.Ident); ok && slices.Contains(holds, to.Name) {
					texts(n.Rhs[0])
				}
			case *ast.ValueSpec:
				if slices.Contains(holds, n.Names[0].Name) && len(n.Values) > 0 {
					texts(n.Values[0])
				}
			case *ast.FuncDecl:
				if n.Name.Name == "direct" { // a command, part of what to do
					return false
				}
				returned(n.Type, n.Body, texts)
			case *ast.FuncLit:
				returned(n.Type, n.Body, texts)
			}
			return true
		})
	}
	return said
}

// returned calls texts with what a function returns, if that is one string.
func returned(f *ast.FuncType, body *ast.BlockStmt, texts func(ast.Node)) {
	if f.Results == nil || len(f.Results.List) != 1 {
		return
	}
	if result, ok := f.Results.List[0].Type.(*ast.Ident); !ok || result.Name != "string" {
		return
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			texts(n)
		}
		return true
	})
}
