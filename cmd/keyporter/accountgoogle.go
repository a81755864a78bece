package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/reference"
	"keyporter/broker/source/google"
	"keyporter/internal/hint"
)

// Google's ways to a token beside a key file.

func (p *program) addGoogle() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.Google}}
	var file string
	c := &cobra.Command{
		Use:   "google ACCOUNT",
		Short: "Your own Google sign-in",
		Long: `Adds your Google sign-in, to act as a service account (google-impersonate), to read
secrets in Secret Manager, and for Google's own MCP servers. Google registers no programs
by itself: an administrator makes an OAuth client of the type Desktop app, in the Google
Cloud console under APIs & Services, Credentials, and gives you its id and secret.
Then sign in: keyporter login ACCOUNT`,
		Example: `  keyporter account add google me --client-id 1234-abc.apps.googleusercontent.com --client-secret-file client.txt
  keyporter login me`,
		Args: takes("a name for the account"),
		RunE: func(c *cobra.Command, args []string) error { return p.putAccount(c.Context(), args[0], put, file) },
	}
	f := c.Flags()
	f.StringVar(&put.Account.ClientID, "client-id", "", "the `ID` of the desktop client (required)")
	f.StringVar(&file, "client-secret-file", "", "`FILE` with the client's secret (required)")
	f.StringArrayVar(&put.Account.Scopes, "scope", nil, "`SCOPE` to ask for, instead of cloud-platform; may be repeated")
	secretThrough(c, &put)
	return needs(c, "client-id", "client-secret-file")
}

func (p *program) addGoogleImpersonate() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.GoogleImpersonate}}
	var lifetime time.Duration
	c := &cobra.Command{
		Use:   "google-impersonate ACCOUNT",
		Short: "A Google service account, without its key",
		Long: `Adds a Google service account that you may act as. There is no key file: Google makes
its tokens for your own account (--through), which needs the role Service Account Token
Creator on the service account. Say what tokens to make: --audience for ID tokens (Cloud
Run), --scope for access tokens (Google APIs).`,
		Example: `  keyporter account add google-impersonate etl --as etl@my-project.iam.gserviceaccount.com \
    --through me --audience https://sales-abc.run.app`,
		Args: takes("a name for the account"),
		RunE: func(c *cobra.Command, args []string) error {
			if lifetime%time.Second != 0 || lifetime < 0 {
				return hint.New(hint.Usage, "A token's life is a number of seconds.", "Give --lifetime such as 30m or 2h.")
			}
			put.Account.Lifetime = int(lifetime / time.Second)
			return p.putAccount(c.Context(), args[0], put, "")
		},
	}
	f := c.Flags()
	f.StringVar(&put.Account.TargetPrincipal, "as", "", "the service account's `EMAIL` (required)")
	f.StringVar(&put.Account.Through, "through", "", "your `ACCOUNT` of the kind google, google-adc or google-key (required)")
	f.StringVar(&put.Account.Audience, "audience", "", "make ID tokens for this `AUDIENCE`")
	f.StringArrayVar(&put.Account.Scopes, "scope", nil, "make access tokens with this `SCOPE`; may be repeated")
	f.StringArrayVar(&put.Account.Delegates, "delegate", nil, "`EMAIL` of a service account in between; may be repeated, in order")
	f.DurationVar(&lifetime, "lifetime", 0, "`TIME` that access tokens live; 1h if not given, more only where a policy allows it")
	return needs(c, "as", "through")
}

func (p *program) addGoogleADC() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.GoogleADC}}
	var file string
	c := &cobra.Command{
		Use:   "google-adc ACCOUNT",
		Short: "The Google credentials of this computer",
		Long: `Adds the application-default credentials of this computer: those of gcloud auth
application-default login, of a file that GOOGLE_APPLICATION_CREDENTIALS names (workload
identity federation too), or of a Google Cloud machine. They are read anew each time and
stay where they are. What in the file decides where a token goes is agreed to now; when it
changes, no token is made until you agree again (keyporter account rotate).
Without --audience and --scope the account serves others: google-impersonate, gcpsm://.`,
		Example: `  keyporter account add google-adc machine
  keyporter account add google-adc ci --credentials-file federation.json --audience https://sales-abc.run.app`,
		Args: takes("a name for the account"),
		RunE: func(c *cobra.Command, args []string) error {
			if file == "" {
				file = google.DefaultCredentialsFile(p.getenv)
				if _, err := os.Stat(file); err != nil && p.getenv("GOOGLE_APPLICATION_CREDENTIALS") == "" {
					file = "" // the agent looks further
				}
			}
			if err := keptPath(&put.Account.TokenFile, file); err != nil {
				return err
			}
			return p.putAccount(c.Context(), args[0], put, "")
		},
	}
	f := c.Flags()
	f.StringVar(&file, "credentials-file", "", "`FILE` of the credentials, instead of where Google's tools look")
	f.StringVar(&put.Account.Audience, "audience", "", "make ID tokens for this `AUDIENCE` (not with a person's credentials)")
	f.StringArrayVar(&put.Account.Scopes, "scope", nil, "make access tokens with this `SCOPE`; may be repeated")
	return c
}

// located writes the address of the user's Vault into a reference that names none:
// the agent has another environment. What cannot be read the agent gives words to.
func (p *program) located(s string) string {
	ref, err := reference.Parse(s)
	if err != nil || !ref.Own() || ref.Address != "" {
		return s
	}
	ref.Address = reference.Address(p.getenv)
	return ref.String()
}

// newSecret reads what replaces an account's secret: a file, a reference, or the
// place of this computer's Google credentials, which stay there.
func (p *program) newSecret(ctx context.Context, l *local.Client, put *local.PutAccount, file string) error {
	if account.IsReference(file) {
		put.Account.SecretRef = p.located(file)
		return nil
	}
	a, err := l.ShowAccount(ctx, local.Name{Name: put.Name})
	if err != nil {
		return err
	}
	if a.Kind == account.GoogleADC {
		put.Account.TokenFile, err = filepath.Abs(file)
		return err
	}
	put.Secret, err = p.readSecret(ctx, file)
	return err
}
