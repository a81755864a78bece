package team

import (
	"fmt"

	"keyporter/broker/local"
)

// Words says in a sentence what a concern is, in English. Names and values are as
// the profile has them; plainTexts has seen to it that they are what they look like.
func Words(c *local.Concern) string {
	switch c.Code {
	case local.AudienceElsewhere:
		if c.Account == "" {
			return fmt.Sprintf("A sign-in to %s asks for tokens for %s, and %s could use them there.", c.Server, c.Value, c.Origin)
		}
		return fmt.Sprintf("The account %s makes tokens for %s, and they are sent to %s, which could use them there.", c.Account, c.Value, c.Origin)
	case local.ResourceElsewhere:
		return fmt.Sprintf("A sign-in to %s asks for tokens for %s, and %s could use them there.", c.Server, c.Value, c.Origin)
	case local.IssuerElsewhere:
		if c.Account == "" {
			return fmt.Sprintf("You would sign in to %s at %s, which is not the server's own address.", c.Server, c.Value)
		}
		return fmt.Sprintf("The account %s gets its tokens from %s, which is not the address of the server, %s.", c.Account, c.Value, c.Origin)
	case local.GoogleAccess:
		return fmt.Sprintf("The account %s makes tokens that are good at Google's own services (%s), and they are sent to %s.", c.Account, orAll(c.Value), c.Origin)
	case local.SeveralServers:
		return fmt.Sprintf("Tokens of the account %s go to two places, %s and %s; each could use them at the other.", c.Account, c.Value, c.Origin)
	case local.NoResource:
		return fmt.Sprintf("A sign-in to %s does not say which server its tokens are for, so %s could use them elsewhere.", c.Server, c.Origin)
	case local.SignInChanged:
		return fmt.Sprintf("The sign-in to %s is asked for in another way: %s.", c.Server, c.Value)
	case local.SendsIDToken:
		return fmt.Sprintf("%s gets the token that proves who you are, instead of one that is made for it.", c.Server)
	case local.PrivateHost:
		return fmt.Sprintf("%s may send your sign-in to %s, a computer in a private network.", c.Server, c.Value)
	case local.ThisComputer:
		return fmt.Sprintf("The address of %s, %s, is on your own computer: whatever program answers there gets its tokens.", c.Server, c.Value)
	case local.SecretElsewhere:
		return fmt.Sprintf("The secret of the account %s is read at %s; your own login is sent there.", c.Account, c.Value)
	case local.SignerChanged:
		return fmt.Sprintf("Before, the profile was signed by %s; now it is signed with another key.", c.Value)
	case local.NoLongerSigned:
		return fmt.Sprintf("Before, the profile was signed by %s; now it is not signed.", c.Value)
	case local.SignerExpired:
		return fmt.Sprintf("The key that signed the profile (%s) is not valid on this day.", c.Value)
	case local.SourceChanged:
		return fmt.Sprintf("Before, the profile came from %s; now it comes from somewhere else.", c.Value)
	case local.OlderProfile:
		return fmt.Sprintf("The profile is older than the one that you joined, of %s.", c.Value)
	}
	return fmt.Sprintf("There is something to be careful about (%s).", c.Code)
}

func orAll(scopes string) string {
	if scopes == "" {
		return "all that it may do"
	}
	return scopes
}
