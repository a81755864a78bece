package account

import (
	"fmt"

	"keyporter/internal/hint"
	"keyporter/internal/lazy"
)

// maxLifetime is the longest life of an impersonated access token, in seconds:
// 12 hours, where the organisation's policy
// iam.allowServiceAccountCredentialLifetimeExtension names the service account.
const maxLifetime = 12 * 3600

var emailForm = lazy.Regexp(`^[A-Za-z0-9._%+-]{1,128}@[A-Za-z0-9.-]{1,200}$`)

// checkGoogle reports what is wrong with an account of one of Google's kinds.
func (a *Account) checkGoogle() error {
	if err := a.checkGoogleTokens(); err != nil {
		return err
	}
	switch a.Kind {
	case Google:
		if a.ClientID == "" {
			return hint.New(hint.Usage, "A Google sign-in needs the client id of your organisation.",
				"Give --client-id and --client-secret-file of an OAuth client of the type Desktop app.")
		}
	case GoogleImpersonate:
		return a.checkImpersonation()
	}
	return nil
}

// checkGoogleTokens reports whether the account says which token to make, once.
func (a *Account) checkGoogleTokens() error {
	n := 0
	for _, set := range []bool{a.Audience != "" && !a.SelfSigned, len(a.Scopes) > 0, a.SelfSigned} {
		if set {
			n++
		}
	}
	const do = "Give one of --audience (an ID token, for Cloud Run) or --scope (an access token, for Google APIs)."
	switch {
	case a.Kind == GoogleKey && n != 1:
		return hint.New(hint.Usage, "A Google key needs to know what token to make.",
			"Give one of --audience (an ID token, for Cloud Run), --scope (an access token, for Google APIs) or --self-signed.")
	case a.Kind == GoogleImpersonate && n != 1:
		return hint.New(hint.Usage, "Impersonation needs to know what token to make.", do)
	case a.Kind == GoogleADC && n > 1:
		return hint.New(hint.Usage, "These credentials make one kind of token.", do)
	case a.Kind != GoogleKey && a.SelfSigned:
		return hint.New(hint.Usage, "Only a key can sign tokens itself.", do)
	case a.Kind == Google && a.Audience != "":
		return hint.New(hint.Usage, "A person's Google sign-in makes no ID tokens for a server.",
			"Use it through a service account: keyporter account add google-impersonate --help.")
	}
	return nil
}

func (a *Account) checkImpersonation() error {
	switch {
	case a.Through == "":
		return hint.New(hint.Usage, "Impersonation needs an account of yours.",
			"Give --through with the name of an account of the kind google, google-adc or google-key.")
	case a.Through == a.Name:
		return hint.New(hint.Usage, "An account cannot go through itself.", "Give --through with the name of another account.")
	case a.Lifetime != 0 && a.Audience != "":
		return hint.New(hint.Usage, "An ID token lives for an hour, always.", "Leave out --lifetime.")
	case a.Lifetime < 0 || a.Lifetime > maxLifetime:
		return hint.New(hint.Usage, "A token cannot live that long.", "Give --lifetime of at most 12h; more than 1h needs a policy of the organisation.")
	}
	for _, email := range append([]string{a.TargetPrincipal}, a.Delegates...) {
		if !emailForm().MatchString(email) {
			return hint.New(hint.Usage, fmt.Sprintf("%q is not a service account.", clip(email)),
				"Give its whole e-mail address, such as etl@my-project.iam.gserviceaccount.com.")
		}
	}
	return nil
}
