package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Keycloak is a running Keycloak of its own distribution with one realm: alice
// and bob may sign in with any redirect to this computer, refresh tokens rotate,
// and the only resource that its tokens are for is the one that it was started
// with.
type Keycloak struct {
	Issuer string
	base   string
	client *http.Client
	admin  string // a token
}

// KeycloakClient is the public client that a Keycloak knows, for the browser and
// for device codes. It registers no others: its policy Trusted Hosts forbids it.
const KeycloakClient = "keyporter"

const (
	keycloakPassword = "password-SECRETWORD"
	keycloakAdmin    = "admin-SECRETWORD"
	keycloakStart    = 5 * time.Minute // it is slow, and the machine may be busy
)

// NewKeycloak starts the distribution in the folder that KEYPORTER_KEYCLOAK names,
// which scripts/keycloak prepares. It ends with the test.
func NewKeycloak(t testing.TB, resource string) *Keycloak {
	t.Helper()
	dir := os.Getenv("KEYPORTER_KEYCLOAK")
	if dir == "" {
		t.Fatal("peers: KEYPORTER_KEYCLOAK is not set; run make interop")
	}
	address := freeAddress(t)
	port := address[strings.LastIndexByte(address, ':')+1:]
	// kc.sh starts Java as its child, which would outlive it; so Java at once.
	cmd := exec.Command("java", "-Xmx512m", "-Dkc.home.dir="+dir, "-Djboss.server.config.dir="+filepath.Join(dir, "conf"),
		"-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
		"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
		"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
		"--add-opens=java.base/java.security=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED",
		"-cp", filepath.Join(dir, "lib", "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
		"start", "--optimized", "--http-enabled=true", "--hostname-strict=false", "--http-host=127.0.0.1", "--http-port="+port, "--cache=local")
	cmd.Env = append(os.Environ(), "KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD="+keycloakAdmin)
	p := launch(t, cmd, io.Discard)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	k := &Keycloak{base: "http://" + address, client: &http.Client{Transport: transport, Timeout: time.Minute}}
	k.Issuer = k.base + "/realms/acme"
	k.await(t, p)
	k.makeRealm(t, resource)
	return k
}

// await waits until Keycloak serves.
func (k *Keycloak) await(t testing.TB, p *process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), keycloakStart)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.base+"/realms/master", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := k.client.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-p.ended:
			t.Fatalf("Keycloak ended before it was ready:\n%s", p.output.String())
		case <-ctx.Done():
			t.Fatalf("Keycloak was not ready after %v:\n%s", keycloakStart, p.output.String())
		case <-tick.C:
		}
	}
}

// makeRealm makes the realm acme over Keycloak's own interface for administrators.
func (k *Keycloak) makeRealm(t testing.TB, resource string) {
	t.Helper()
	form := url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {keycloakAdmin}}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	k.ask(t, http.MethodPost, "/realms/master/protocol/openid-connect/token", "application/x-www-form-urlencoded", []byte(form.Encode()), &token)
	k.admin = token.AccessToken
	user := func(name string) map[string]any {
		return map[string]any{"username": name, "enabled": true, "emailVerified": true, "email": name + "@example.com", "firstName": name, "lastName": "Example",
			"credentials": []map[string]any{{"type": "password", "value": keycloakPassword}}}
	}
	realm, err := json.Marshal(map[string]any{
		"realm": "acme", "enabled": true, "sslRequired": "none",
		"accessTokenLifespan": 3600, "revokeRefreshToken": true, "refreshTokenMaxReuse": 0,
		"users": []any{user("alice"), user("bob")},
		"clients": []any{map[string]any{ // a server, as Keycloak's resource indicators find it
			"clientId": "mcp", "enabled": true, "bearerOnly": true, "attributes": map[string]string{"resource_url": resource},
		}, map[string]any{
			"clientId": KeycloakClient, "enabled": true, "publicClient": true, "standardFlowEnabled": true,
			"redirectUris": []string{"http://127.0.0.1/callback"},
			"attributes": map[string]string{
				"pkce.code.challenge.method": "S256", "oauth2.device.authorization.grant.enabled": "true",
				"access.token.header.type.rfc9068": "true",
			},
			"protocolMappers": []any{map[string]any{
				"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
				"config": map[string]string{"included.client.audience": "mcp", "access.token.claim": "true"},
			}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	k.ask(t, http.MethodPost, "/admin/realms", "application/json", realm, nil)
}

// Sessions returns how many sign-ins of a user there are.
func (k *Keycloak) Sessions(t testing.TB, name string) int {
	t.Helper()
	var users []struct {
		ID string `json:"id"`
	}
	k.ask(t, http.MethodGet, "/admin/realms/acme/users?exact=true&username="+url.QueryEscape(name), "", nil, &users)
	if len(users) != 1 {
		t.Fatalf("Keycloak knows %d users named %s", len(users), name)
	}
	var sessions []any
	k.ask(t, http.MethodGet, "/admin/realms/acme/users/"+users[0].ID+"/sessions", "", nil, &sessions)
	return len(sessions)
}

// ask sends a request to Keycloak's own interface and reads its answer into out,
// which may be nil.
func (k *Keycloak) ask(t testing.TB, method, path, kind string, body []byte, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, k.base+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if k.admin != "" {
		req.Header.Set("Authorization", "Bearer "+k.admin)
	}
	res, err := k.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s: %.300s", res.Status, text)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		t.Fatalf("Keycloak: %s %s: %v", method, path, err)
	}
}
