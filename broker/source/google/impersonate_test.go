package google_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/broker/secret"
	"keyporter/broker/source/google"
	"keyporter/broker/token"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/hint"
)

const (
	robot   = "etl@my-project.iam.gserviceaccount.com"
	alice   = "alice@example.com"
	service = "https://sales-abc.run.app"
)

// A cloud is a fake Google that is reached at Google's own addresses.
type cloud struct {
	*fakegoogle.Server
	t      *testing.T
	client *http.Client
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	g, err := fakegoogle.Start(fakegoogle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	transport := g.Transport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	g.NewServiceAccount(robot)
	return &cloud{g, t, &http.Client{Transport: transport}}
}

// person returns a person's application-default credentials.
func (c *cloud) person(quota string) []byte {
	c.t.Helper()
	file, err := c.NewUserCredentials(alice, quota)
	if err != nil {
		c.t.Fatal(err)
	}
	return file
}

// from makes a Default of a file.
func (c *cloud) from(file []byte) *google.Default {
	c.t.Helper()
	creds, err := google.ParseCredentials(secret.New(string(file)))
	if err != nil {
		c.t.Fatal(err)
	}
	d, err := google.NewDefault(google.DefaultOptions{Credentials: creds, Client: c.client})
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}

// as impersonates through a person's credentials.
func (c *cloud) as(quota string, change func(*google.ImpersonationOptions)) *google.Impersonation {
	c.t.Helper()
	d := c.from(c.person(quota))
	o := google.ImpersonationOptions{Client: c.client, Principal: robot, Caller: func(ctx context.Context, _ string) (*google.Caller, error) {
		tok, err := d.Token(ctx, token.Request{Kind: token.AccessToken, Scopes: []string{google.CloudPlatform}})
		return &google.Caller{Token: tok, Identity: alice, QuotaProject: quota}, err
	}}
	if change != nil {
		change(&o)
	}
	i, err := google.NewImpersonation(o)
	if err != nil {
		c.t.Fatal(err)
	}
	return i
}

var (
	idToken = token.Request{Account: "etl", Kind: token.IDToken, Audience: service}
	access  = token.Request{Account: "etl", Kind: token.AccessToken, Scopes: []string{"https://www.googleapis.com/auth/bigquery"}}
)

func claimsOf(t *testing.T, tok *token.Token) map[string]any {
	t.Helper()
	_, claims := decode(t, tok.Value.Reveal())
	var m map[string]any
	if json.Unmarshal([]byte(claims), &m) != nil {
		t.Fatal("no JWT")
	}
	return m
}

// Google says until when such a token lives by its own clock.
func TestImpersonatedAccessTokenLivesItsWholeLifeByAClockThatIsOff(t *testing.T) {
	c := newCloud(t)
	c.Enable("payer")
	c.Grant(robot, "user:"+alice, fakegoogle.TokenCreator)
	for _, off := range []time.Duration{0, time.Hour, -time.Hour, 365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		i := c.as("payer", func(o *google.ImpersonationOptions) { o.Now = func() time.Time { return time.Now().Add(off) } })
		tok, err := i.Token(t.Context(), access)
		if err != nil {
			t.Fatal(err)
		}
		if life := tok.Expiry.Sub(tok.Issued); (life - time.Hour).Abs() > 30*time.Second {
			t.Errorf("clock off by %v: the token lives for %v, want an hour", off, life)
		}
	}
}

func TestImpersonationMakesBothKindsOfToken(t *testing.T) {
	c := newCloud(t)
	c.Enable("payer")
	c.Grant(robot, "user:"+alice, fakegoogle.TokenCreator)
	tok, err := c.as("payer", nil).Token(t.Context(), idToken)
	if err != nil {
		t.Fatal(err)
	}
	if m := claimsOf(t, tok); m["aud"] != service || m["email"] != robot || m["iss"] != fakegoogle.Issuer || tok.Expiry.IsZero() {
		t.Errorf("claims are %v, expiry %v", m, tok.Expiry)
	}
	tok, err = c.as("payer", func(o *google.ImpersonationOptions) { o.Lifetime = 10 * time.Minute }).Token(t.Context(), access)
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := c.Access(tok.Value.Reveal()); !ok || a.Email != robot || a.Scopes[0] != access.Scopes[0] {
		t.Errorf("access is %+v, %t", a, ok)
	}
	if left := time.Until(tok.Expiry); left > 10*time.Minute || left < 8*time.Minute {
		t.Errorf("the token lives for %s, want ten minutes", left)
	}
	for _, call := range c.Calls() {
		if call.Caller != alice || call.On != robot || call.Project != "payer" {
			t.Errorf("call %+v", call)
		}
	}
}

func TestImpersonationThroughDelegates(t *testing.T) {
	c := newCloud(t)
	const between = "between@other-project.iam.gserviceaccount.com"
	c.Enable("payer")
	c.Grant(robot, "serviceAccount:"+between, fakegoogle.TokenCreator)
	through := func(o *google.ImpersonationOptions) { o.Delegates = []string{between} }
	_, err := c.as("payer", through).Token(t.Context(), idToken)
	wantHint(t, err, hint.Refused, "act as "+between, "Ask an administrator of the project other-project to run this, and for each service account on the way to "+robot+" on the next one: "+
		"gcloud iam service-accounts add-iam-policy-binding "+between+" --project=other-project --member=user:alice@example.com --role=roles/iam.serviceAccountTokenCreator")
	c.Grant(between, "user:"+alice, fakegoogle.TokenCreator)
	if _, err := c.as("payer", through).Token(t.Context(), idToken); err != nil {
		t.Error(err)
	}
}

func wantHint(t *testing.T, err error, code hint.Code, says ...string) {
	t.Helper()
	if err == nil || hint.CodeOf(err) != code {
		t.Fatalf("error is %v (%s), want %s", err, hint.CodeOf(err), code)
	}
	for _, s := range says {
		if !strings.Contains(hint.Of(err).Text(), s) {
			t.Errorf("it says %q, want %q in it", hint.Of(err).Text(), s)
		}
	}
	if strings.Contains(err.Error()+hint.Of(err).Text(), "SECRETWORD") {
		t.Error("the error holds a secret")
	}
}

func TestRefusalsOfImpersonationNameWhomToAskForWhat(t *testing.T) {
	c := newCloud(t)
	_, err := c.as("", nil).Token(t.Context(), idToken)
	wantHint(t, err, hint.Refused, "name no project", "gcloud auth application-default set-quota-project")
	_, err = c.as("payer", nil).Token(t.Context(), idToken)
	wantHint(t, err, hint.Refused, "The IAM Service Account Credentials API (iamcredentials.googleapis.com) is not enabled in the project payer.",
		"Ask an administrator of that project to run: gcloud services enable iamcredentials.googleapis.com --project=payer")
	c.Enable("payer")
	_, err = c.as("payer", nil).Token(t.Context(), idToken)
	wantHint(t, err, hint.Refused, "Google does not let alice@example.com act as "+robot+": the role Service Account Token Creator is missing there",
		"Ask an administrator of the project my-project to run this: gcloud iam service-accounts add-iam-policy-binding "+robot+
			" --project=my-project --member=user:alice@example.com --role=roles/iam.serviceAccountTokenCreator")
	c.Grant(robot, "user:"+alice, fakegoogle.TokenCreator)
	long := func(o *google.ImpersonationOptions) { o.Lifetime = 2 * time.Hour }
	_, err = c.as("payer", long).Token(t.Context(), access)
	wantHint(t, err, hint.Refused, "longer than an hour", "allowServiceAccountCredentialLifetimeExtension")
	c.Extend(robot)
	if _, err := c.as("payer", long).Token(t.Context(), access); err != nil {
		t.Error(err)
	}
	asked := 0
	_, err = c.as("payer", func(o *google.ImpersonationOptions) {
		o.Caller = func(context.Context, string) (*google.Caller, error) {
			asked++
			return &google.Caller{Token: &token.Token{Value: secret.New("ya29.SECRETWORD-over"), Scheme: "Bearer"}, Identity: alice}, nil
		}
	}).Token(t.Context(), idToken)
	wantHint(t, err, hint.Refused, "does not accept the token of alice@example.com")
	if asked != 3 {
		t.Errorf("asked for %d tokens, want two more after a refusal", asked)
	}
}

func TestProjectOfAServiceAccount(t *testing.T) {
	for email, want := range map[string]string{
		robot: "my-project", "123-compute@developer.gserviceaccount.com": "123", "app@appspot.gserviceaccount.com": "app",
		"a@proj.example.com.iam.gserviceaccount.com": "example.com:proj", "alice@example.com": "",
	} {
		if got := google.ProjectOf(email); got != want {
			t.Errorf("project of %s is %q, want %q", email, got, want)
		}
	}
}

func TestDefaultCredentialsOfEveryType(t *testing.T) {
	c := newCloud(t)
	c.Enable("payer", "my-project", "123")
	c.Grant(robot, "user:"+alice, fakegoogle.TokenCreator)
	const pool = "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/ci/providers/gh"
	subject := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(subject, []byte(`{"t":"subject-SECRETWORD"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.NewPool(pool, "subject-SECRETWORD")
	c.Grant(robot, "principal://"+strings.TrimPrefix(pool, "//iam.googleapis.com/"), fakegoogle.TokenCreator)
	source := map[string]any{"file": subject, "format": map[string]any{"type": "json", "subject_token_field_name": "t"}}
	key, err := c.NewGoogleKey(robot)
	if err != nil {
		t.Fatal(err)
	}
	impersonated, err := fakegoogle.Impersonated(c.person("payer"), robot)
	if err != nil {
		t.Fatal(err)
	}
	// Inside impersonated credentials the quota project of the outer file counts.
	impersonated = []byte(strings.Replace(string(impersonated), `"type": "imp`, `"quota_project_id": "payer", "type": "imp`, 1))
	federated, _ := fakegoogle.Federated(pool, source, "")
	federatedAs, _ := fakegoogle.Federated(pool, source, robot)
	for name, test := range map[string]struct {
		file []byte
		id   bool
		who  string
	}{
		"person":                     {c.person("payer"), false, alice},
		"service account":            {key, true, robot},
		"impersonated":               {impersonated, true, robot},
		"federated":                  {federated, false, "principal://" + strings.TrimPrefix(pool, "//iam.googleapis.com/")},
		"federated and impersonated": {federatedAs, true, robot},
	} {
		t.Run(name, func(t *testing.T) {
			d := c.from(test.file)
			tok, err := d.Token(t.Context(), token.Request{Kind: token.AccessToken, Scopes: []string{google.CloudPlatform}})
			if err != nil {
				t.Fatal(err)
			}
			if a, ok := c.Access(tok.Value.Reveal()); !ok || a.Email != test.who {
				t.Errorf("access is %+v", a)
			}
			tok, err = d.Token(t.Context(), idToken)
			if !test.id {
				wantHint(t, err, hint.Usage, "no ID tokens", "google-impersonate")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m := claimsOf(t, tok); m["aud"] != service || m["email"] != robot {
				t.Errorf("claims are %v", m)
			}
		})
	}
	c.EndSignIns()
	_, err = c.from(federated).Token(t.Context(), token.Request{Kind: token.AccessToken, Scopes: []string{google.CloudPlatform}})
	if err != nil {
		t.Error(err)
	}
}

func TestAPersonsSignInThatHasEndedSaysHowToSignIn(t *testing.T) {
	c := newCloud(t)
	d := c.from(c.person("payer"))
	c.EndSignIns()
	_, err := d.Token(t.Context(), token.Request{Kind: token.AccessToken, Scopes: []string{google.CloudPlatform}})
	wantHint(t, err, hint.SignInNeeded, "gcloud auth application-default login")
}

func TestMachinesHaveTheirAccountFromTheMetadataServer(t *testing.T) {
	c := newCloud(t)
	d, err := google.NewDefault(google.DefaultOptions{Client: c.client, Metadata: c.client, MetadataHost: c.MetadataHost()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.MachineAccount(t.Context())
	wantHint(t, err, hint.Refused, "no service account")
	c.SetMachine(robot)
	if email, err := d.MachineAccount(t.Context()); err != nil || email != robot {
		t.Errorf("account is %q, %v", email, err)
	}
	tok, err := d.Token(t.Context(), idToken)
	if err != nil || claimsOf(t, tok)["email"] != robot {
		t.Errorf("no ID token: %v", err)
	}
	if _, err := d.Token(t.Context(), access); err != nil {
		t.Error(err)
	}
	d, err = google.NewDefault(google.DefaultOptions{Client: c.client, Metadata: c.client, MetadataHost: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Token(t.Context(), idToken)
	wantHint(t, err, hint.Failed, "no Google Cloud machine")
}

func TestFilesOfCredentialsSendNothingElsewhere(t *testing.T) {
	external := func(change map[string]any) string {
		m := map[string]any{
			"type": "external_account", "audience": "//iam.googleapis.com/projects/1/x", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
			"token_url": "https://sts.googleapis.com/v1/token", "credential_source": map[string]any{"file": "/run/token"},
		}
		for k, v := range change {
			m[k] = v
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	source := func(m map[string]any) string { return external(map[string]any{"credential_source": m}) }
	for name, test := range map[string]struct{ file, says string }{
		"token_url":     {external(map[string]any{"token_url": "https://sts.googleapis.com.evil.example/v1/token"}), "exchanges tokens at https://sts.googleapis.com.evil.example"},
		"impersonation": {external(map[string]any{"service_account_impersonation_url": "https://evil.example/v1/projects/-/serviceAccounts/a@b.c:generateAccessToken"}), "impersonates at https://evil.example"},
		"executable":    {source(map[string]any{"executable": map[string]any{"command": "/bin/sh -c SECRETWORD"}}), "Keyporter runs none"},
		"aws":           {source(map[string]any{"environment_id": "aws1", "region_url": "http://169.254.169.254/x"}), "another cloud's machine"},
		"plain http":    {source(map[string]any{"url": "http://tokens.example.com/"}), "without encryption"},
		"relative file": {source(map[string]any{"file": "token"}), "without its whole path"},
		"certificate":   {source(map[string]any{"certificate": map[string]any{}}), "client certificate"},
		"universe":      {`{"type":"authorized_user","client_id":"a","refresh_token":"SECRETWORD","universe_domain":"evil.example"}`, "another cloud (evil.example)"},
		"key":           {strings.Replace(string(mustKey(t)), "https://oauth2.googleapis.com/token", "https://evil.example/token", 1), "not Google"},
		"nested":        {`{"type":"impersonated_service_account","service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.c:generateAccessToken","source_credentials":` + external(map[string]any{"token_url": "https://evil.example"}) + `}`, "exchanges tokens at https://evil.example"},
		"damaged":       {`{"type":`, "cannot be read"},
		"other":         {`{"type":"something"}`, "does not hold Google credentials"},
	} {
		_, err := google.ParseCredentials(secret.New(test.file))
		var h *hint.Error
		if err == nil || !errors.As(err, &h) || !strings.Contains(h.Text(), test.says) || strings.Contains(err.Error()+h.Text(), "SECRETWORD") {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, err := google.ParseCredentials(secret.New(external(nil)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := google.ParseCredentials(secret.New(source(map[string]any{"file": "/run/other"})))
	if err != nil || a.Binding() == b.Binding() {
		t.Errorf("another file has the same binding %q, %v", a.Binding(), err)
	}
}

func mustKey(t *testing.T) []byte {
	t.Helper()
	file, err := newCloud(t).NewGoogleKey(robot)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
