package team

import (
	"encoding/json"
	"maps"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"keyporter/broker/account"
)

// members are an object's members by name, as they stand in the file.
type members map[string]jsontext.Value

// serverMembers are the members of a server that a profile may have. What is not
// listed belongs to one computer or one person: files, proxies, whether a browser
// may open, plain http.
var serverMembers = []string{
	"url", "account", "also_accounts",
	"client_id", "client_metadata_url", "issuer", "scopes", "audience", "resource", "no_resource", "assume_pkce", "dpop", "use_id_token",
	"authorize_params", "redirect_uri", "preset",
	"headers", "secret_headers", "token_header", "allow_hosts", "transport", "era",
	"allow_tools", "deny_tools", "read_only",
}

// accountMembers are those of an account, by its kind. A kind that is not listed
// is one that a colleague makes: a sign-in makes its account by itself, and a
// workload's token is a file of its own computer.
var accountMembers = map[account.Kind][]string{
	account.Google:            {"client_id", "scopes", "secret_ref", "secret_through"},
	account.GoogleKey:         {"audience", "scopes", "self_signed", "email", "secret_ref", "secret_through"},
	account.GoogleImpersonate: {"audience", "scopes", "through", "target_principal", "delegates", "lifetime"},
	account.GoogleADC:         {"audience", "scopes"},
	account.ClientCredentials: {"issuer", "token_endpoint", "client_id", "auth_method", "alg", "scopes", "secret_ref", "secret_through"},
	account.Enterprise:        {"issuer", "client_id", "idp_token_endpoint", "idp_client_id", "scopes", "through", "secret_ref", "secret_through"},
	account.Static:            {"header", "secret_ref", "secret_through"},
}

// clientSecret is the member of a Google sign-in that is in Profile.ClientSecrets.
const clientSecret = "client_secret"

// Carries reports whether a profile can have accounts of the kind.
func Carries(k account.Kind) bool { return accountMembers[k] != nil }

// ServerMembers returns the members of a server that a profile carries.
func ServerMembers(s *account.Server) members { return pick(s, serverMembers) }

// AccountMembers returns the members of an account that a profile carries.
func AccountMembers(a *account.Account) members {
	return pick(a, append([]string{"kind"}, accountMembers[a.Kind]...))
}

// pick returns those of a record's members that are in the list; without a list,
// all of them.
func pick(record any, list []string) members {
	b, err := jsonv2.Marshal(record, jsonv2.Deterministic(true))
	m := members{}
	if err == nil {
		err = jsonv2.Unmarshal(b, &m)
	}
	if err != nil {
		panic("team: a record has no JSON form: " + err.Error())
	}
	maps.DeleteFunc(m, func(name string, _ jsontext.Value) bool { return list != nil && !slices.Contains(list, name) })
	return m
}

// only returns an error if there is a member that is not in the list.
func (m members) only(list []string) error {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(list, name) {
			return no("A profile cannot have the member %s there.", clip(name))
		}
	}
	return nil
}

// into fills a record with the members.
func (m members) into(record any) error {
	b, err := jsonv2.Marshal(map[string]jsontext.Value(m))
	if err == nil {
		err = jsonv2.Unmarshal(b, record)
	}
	if err != nil {
		return no("%s.", whatIsWrong(err))
	}
	return nil
}

func (m members) server(name string) (*account.Server, error) {
	if err := m.only(serverMembers); err != nil {
		return nil, err
	}
	s := &account.Server{}
	if err := m.into(s); err != nil {
		return nil, err
	}
	s.Name = name
	return s, checkServer(s)
}

func (m members) account(name string) (*account.Account, error) {
	m = maps.Clone(m)
	kind := account.Kind(text1(m["kind"]))
	if !Carries(kind) {
		return nil, no("A profile cannot have accounts of the kind %q.", clip(string(kind)))
	}
	list := append([]string{"kind"}, accountMembers[kind]...)
	if kind == account.Google {
		delete(m, clientSecret)
	}
	if err := m.only(list); err != nil {
		return nil, err
	}
	a := &account.Account{}
	if err := m.into(a); err != nil {
		return nil, err
	}
	a.Name = name
	return a, checkAccount(a)
}

// text1 returns the text of a member that is one, or "".
func text1(raw jsontext.Value) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
