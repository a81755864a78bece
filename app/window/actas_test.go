package window

import (
	"testing"

	"fyne.io/fyne/v2/test"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

func TestActingAsAServiceAccountMakesBothAccounts(t *testing.T) {
	w := english(t, none(), func(w *world) {
		w.agent.probed = &local.Probed{Wants: local.WantsIDToken, Name: "sales", Audience: "https://sales-abc.run.app"}
	})
	w.tap("Add a server")
	test.Type(w.entries()[0], "https://sales-abc.run.app/mcp")
	w.elapse()
	w.tap("Next")
	w.tap("Act as a service account, without its key")
	e := w.entries()
	if len(e) != 4 || e[1].Text != "https://sales-abc.run.app" || !e[3].Password {
		t.Fatalf("%d entries", len(e))
	}
	test.Type(e[0], "etl@my-project.iam.gserviceaccount.com")
	test.Type(e[2], "1234-abc.apps.googleusercontent.com")
	test.Type(e[3], word)
	w.tap("Add")
	if n := len(w.agent.accounts); n != 2 {
		t.Fatalf("%d accounts", n)
	}
	me, etl := w.agent.accounts[0], w.agent.accounts[1]
	if me.Account.Kind != account.Google || me.Secret.Reveal() != word || me.Account.ClientID != "1234-abc.apps.googleusercontent.com" {
		t.Errorf("the sign-in is %+v", me.Account)
	}
	if a := etl.Account; a.Kind != account.GoogleImpersonate || a.Through != me.Name || a.TargetPrincipal != "etl@my-project.iam.gserviceaccount.com" || a.Audience != "https://sales-abc.run.app" {
		t.Errorf("the service account is %+v", a)
	}
	if p := w.agent.put[0]; p.Server.Account != etl.Name {
		t.Errorf("the server is %+v", p)
	}
	if e[3].Text != "" {
		t.Error("the entry still holds the client's secret")
	}
	w.hasNot(word)
}
