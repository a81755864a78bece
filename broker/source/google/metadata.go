package google

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// metadataPath is the service account of a Google Cloud machine.
const metadataPath = "/computeMetadata/v1/instance/service-accounts/default/"

// fromMetadata asks the metadata server of a Google Cloud machine. What goes there
// is no secret, and what comes back is this machine's own.
func (d *Default) fromMetadata(ctx context.Context, req token.Request) (*token.Token, error) {
	if req.Kind == token.IDToken {
		text, err := d.askMetadata(ctx, "identity?"+url.Values{"audience": {req.Audience}, "format": {"full"}}.Encode())
		if err != nil {
			return nil, err
		}
		tok, why := idToken(d.now(), strings.TrimSpace(string(text)), req.Audience)
		if why != "" {
			return nil, oddAnswer("The metadata server", why)
		}
		return tok, nil
	}
	text, err := d.askMetadata(ctx, "token?"+url.Values{"scopes": {strings.Join(req.Scopes, ",")}}.Encode())
	if err != nil {
		return nil, err
	}
	var ans answer
	if json.Unmarshal(text, &ans) != nil || !visible(ans.AccessToken) {
		return nil, oddAnswer("The metadata server", "it cannot be read")
	}
	tok, why := ans.accessToken(d.now(), req.Scopes)
	if why != "" {
		return nil, oddAnswer("The metadata server", why)
	}
	return tok, nil
}

// MachineAccount returns the e-mail address of the service account that a Google
// Cloud machine has, or an error with words on a computer that is none.
func (d *Default) MachineAccount(ctx context.Context) (string, error) {
	text, err := d.askMetadata(ctx, "email")
	if err != nil {
		return "", err
	}
	email := strings.TrimSpace(string(text))
	if !emailForm().MatchString(email) {
		return "", oddAnswer("The metadata server", "it is no e-mail address")
	}
	return email, nil
}

var errNoMachine = hint.New(hint.Failed, "This computer has no Google credentials: there is no file of them, and it is no Google Cloud machine.",
	"Sign in with gcloud auth application-default login, or name a file with --credentials-file.")

func (d *Default) askMetadata(ctx context.Context, what string) ([]byte, error) {
	host := d.o.MetadataHost
	if host == "" {
		host = linkLocal
	}
	r, err := d.metadata.ask(ctx, http.MethodGet, "http://"+host+metadataPath+what, http.Header{"Metadata-Flavor": {"Google"}}, nil)
	switch {
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		return nil, hint.Wrap(err, errNoMachine.Code, errNoMachine.What, errNoMachine.Do)
	case r.header.Get("Metadata-Flavor") != "Google": // something else answers there
		return nil, errNoMachine
	case r.status == http.StatusNotFound:
		return nil, hint.New(hint.Refused, "This Google Cloud machine has no service account.", "Ask its administrator to give it one.")
	case r.status >= 500 || r.status == http.StatusTooManyRequests:
		return nil, hint.New(hint.Unreachable, "The metadata server of this machine has a problem.", "Try again later.")
	case r.status != http.StatusOK:
		return nil, hint.New(hint.Refused, "The metadata server of this machine refuses to give a token.",
			"Ask its administrator which access scopes the machine has.")
	}
	return r.body, nil
}
