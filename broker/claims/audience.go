package claims

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// issuer compares iss with the authorization servers that the server names.
func (j *judge) issuer() {
	iss, sub := j.m.str("iss"), j.m.str("sub")
	if iss != "" && iss == sub && strings.HasSuffix(iss, ".gserviceaccount.com") {
		j.perhaps(SelfSigned, "Use an account without --self-signed if the server checks Google's signature, as Cloud Run and most verifiers do.",
			"The token is signed by the service account's own key and not by Google.")
		return
	}
	if iss == "" || len(j.e.Issuers) == 0 || slices.ContainsFunc(j.e.Issuers, func(i string) bool { return i == iss }) {
		return
	}
	wanted := listed(j.e.Issuers[:min(len(j.e.Issuers), 3)])
	switch {
	case slices.ContainsFunc(j.e.Issuers, func(i string) bool { return strings.TrimSuffix(i, "/") == strings.TrimSuffix(iss, "/") }):
		j.perhaps(WrongIssuer, "Ask the owner of the server to set the issuer as the token has it, byte for byte.",
			"The token is of the issuer %s and the server names %s; verifiers compare each character, the slash at the end included.", shown(iss), wanted)
	case hostOf(iss) == "sts.windows.net":
		j.against(WrongIssuer, "Ask the administrator to set requestedAccessTokenVersion to 2 in the manifest of the server's app registration.",
			"The token is of Entra ID's older kind, version 1 (issuer %s), and the server names %s.", shown(iss), wanted)
	case slices.ContainsFunc(j.e.Issuers, func(i string) bool { return sameTenantHost(i, iss) }):
		// One host, another tenant name: login.microsoftonline.com/organizations and the like.
	default:
		j.against(WrongIssuer, "Give the server an account of that issuer, or ask its owner to accept this one.",
			"The token is of the issuer %s, and the server takes tokens of %s.", shown(iss), wanted)
	}
}

// sameTenantHost reports whether two issuers are tenants of Entra ID on one host;
// its metadata for several tenants name none.
func sameTenantHost(a, b string) bool {
	host := hostOf(a)
	return host != "" && host == hostOf(b) && (strings.HasPrefix(host, "login.") || strings.HasSuffix(host, ".ciamlogin.com"))
}

// audience compares aud with the resource: as it stands, which is how verifiers
// do it (RFC 8707 section 2, RFC 9068 section 4).
func (j *judge) audience() {
	aud := j.m.list("aud")
	want, certain := j.e.Resource, true
	if want == "" {
		want, certain = j.e.Server, false
	}
	say := j.perhaps
	if certain {
		say = j.against
	}
	switch {
	case want == "":
		return
	case len(aud) == 0:
		j.without()
		return
	case j.provider(aud):
		return
	}
	for _, a := range aud {
		if !slices.Contains(aud, want) && strings.TrimSuffix(a, "/") == strings.TrimSuffix(want, "/") {
			say(AudienceSlash, fmt.Sprintf("Ask for %s exactly, with %s, or ask the owner of the server to accept both.", shown(want), j.exactly()),
				"The token is for %s and the server is %s; verifiers such as FastMCP's compare each character, the slash at the end included.", shown(a), shown(want))
			return
		}
	}
	if j.ownDomain(aud, certain) || slices.Contains(aud, want) {
		return
	}
	for _, a := range aud {
		if originOf(a) != "" && originOf(a) == originOf(want) {
			say(AudiencePath, fmt.Sprintf("Ask the owner of the server which audience it takes, such as %s, and set it with %s.", shown(want), j.setting()),
				"The token is for %s and the server is %s; many servers take their whole address only, others just the host.", shown(a), shown(want))
			return
		}
	}
	if j.ofClient(aud) || !certain && j.elsewhere(aud) {
		return
	}
	say(WrongAudience, j.askAudience(), "The token is for %s, and the server is %s.", listed(aud), shown(want))
}

// without is for a token that names no audience.
func (j *judge) without() {
	if strings.HasPrefix(hostOf(j.m.str("iss")), "cognito-idp.") {
		j.perhaps(NoAudience, "If the server checks the audience, set it up with --use-id-token.", "Access tokens of Cognito name a client and no audience.")
		return
	}
	j.perhaps(NoAudience, j.askAudience(), "The token names no audience, so a server that checks it refuses it.")
}

// graph is the application ID of Microsoft Graph.
const graph = "00000003-0000-0000-c000-000000000000"

// provider finds tokens that are for the provider itself, because it was not told
// whom else they are for.
func (j *judge) provider(aud []string) bool {
	iss := j.m.str("iss")
	host := hostOf(iss)
	only := func(f func(string) bool) bool { return !slices.ContainsFunc(aud, func(a string) bool { return !f(a) }) }
	switch {
	case only(func(a string) bool { return a == graph || strings.TrimSuffix(a, "/") == "https://graph.microsoft.com" }):
		j.always(NoAudience, "Set the scope to one that names the server's application, such as --scope api://APP/access.",
			"The token is for Microsoft Graph: the scopes that were asked for name no other application.")
	case only(func(a string) bool { return a == "account" }) && strings.Contains(iss, "/realms/"):
		j.always(NoAudience, "Ask the administrator of the realm for an audience mapper or a client scope that names the server.",
			"The token is for Keycloak's own account console: the realm puts no other audience into it.")
	case only(func(a string) bool { return host != "" && hostOf(a) == host && strings.HasSuffix(a, "/userinfo") }):
		j.always(NoAudience, j.askAudience(), "The token is for the provider's own userinfo endpoint: it was not told the audience.")
	case strings.Contains(host, ".okta") && originOf(iss) == iss && slices.Contains(aud, iss):
		j.always(NoAudience, "Ask the administrator for a custom authorization server (/oauth2/ID) with the server's address as its audience.",
			"The token is of the Okta organisation's own authorization server, whose tokens are for Okta's own interfaces.")
	default:
		return false
	}
	return true
}

// ofClient finds ID tokens: their audience is the client that asked for them
// (OpenID Connect Core section 2).
func (j *judge) ofClient(aud []string) bool {
	client := j.m.str("azp")
	if client == "" {
		client = j.m.str("client_id")
	}
	iap := strings.HasSuffix(aud[0], ".apps.googleusercontent.com")
	switch {
	case len(aud) != 1:
		return false
	case iap && aud[0] == j.e.Asked: // a service account's, asked for like that: for IAP
		j.perhaps(ClientAudience, "Check that it is the client ID that Identity-Aware Proxy uses for this server, and that the account may pass it.",
			"The token is for the client ID %s, as Identity-Aware Proxy wants it.", shown(aud[0]))
	case iap && client == aud[0]:
		j.perhaps(ClientAudience, "Ask the owner of the server to accept this client ID (on Cloud Run: as a custom audience), or impersonate a service account with --audience.",
			"The token is for the client that signed in, %s, and not for the server.", shown(aud[0]))
	case aud[0] == client && (j.m.has("nonce") || j.m.has("at_hash")):
		j.perhaps(ClientAudience, "If the server wants access tokens, set it up without --use-id-token.",
			"The token is an ID token for the client %s and not for the server.", shown(aud[0]))
	default:
		return false
	}
	return true
}

// ownDomain is for a Google ID token whose audience is the server's own domain.
// Cloud Run takes the address that it gave to the service itself, and another
// domain only where that is declared as a custom audience; Identity-Aware Proxy
// takes its client ID. An application may want exactly this one, so it stays a
// supposition, and one that a server which names its resource contradicts.
func (j *judge) ownDomain(aud []string, named bool) bool {
	host := hostOf(j.e.Server)
	if named || !isGoogle(j.m.str("iss")) || isCloudRun(host) || hostOf(aud[0]) != host {
		return false
	}
	do := fmt.Sprintf("Ask the owner of the server which audience it takes, and set it with %s: the service's own address (https://….run.app), the client ID of Identity-Aware Proxy, or its whole address.", j.setting())
	j.perhaps(CustomDomain, do, "The token is for %s; behind a domain of its own, Cloud Run expects the service's own address and Identity-Aware Proxy its client ID.", shown(aud[0]))
	return true
}

// elsewhere is for a Google ID token for another host than the server, which is
// right for a service of Cloud Run behind a domain of its own.
func (j *judge) elsewhere(aud []string) bool {
	if !isGoogle(j.m.str("iss")) || !isCloudRun(hostOf(aud[0])) || isCloudRun(hostOf(j.e.Server)) {
		return false
	}
	j.perhaps(CustomDomain, "Check with the owner of the server that it is.",
		"The token is for %s, which has to be the address of the service behind %s.", shown(aud[0]), shown(j.e.Server))
	return true
}

// isCloudRun reports whether Google gives out such hosts to services.
func isCloudRun(host string) bool {
	return strings.HasSuffix(host, ".run.app") || strings.HasSuffix(host, ".cloudfunctions.net")
}

// isGoogle reports whether an issuer is Google's, which its older tokens write
// without a scheme.
func isGoogle(issuer string) bool {
	return issuer == "https://accounts.google.com" || issuer == "accounts.google.com" || issuer == "https://accounts.google.com/"
}

// hostOf returns the host of an address in lower case, or "".
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// originOf returns scheme and host of an address, or "".
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}
