package account

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"keyporter/internal/hint"
)

// Settings are the user's choices as they stand in config.json.
type Settings struct {
	Choices

	// Unknown keeps settings that this version does not know.
	Unknown map[string]json.RawMessage `json:",embed"`
}

// Choices are the settings that this version knows. The zero value of each means
// its default.
type Choices struct {
	Language      Language      `json:"language,omitempty"`
	Notifications Notifications `json:"notifications,omitempty"`

	// Approvals also stand in the vault: what config.json says can ask for more of
	// them, and not for less.
	Approvals Approvals `json:"approvals,omitempty"`

	// ClientMetadataURL is where the organisation has published Keyporter's client
	// ID metadata document (assets has one); empty means that there is none.
	ClientMetadataURL string `json:"client_metadata_url,omitempty"`
}

// A Language is the language of windows, menus and notifications.
type Language string

const (
	LanguageSystem Language = "" // the default: as the system is set
	English        Language = "en"
	Japanese       Language = "ja"
)

// Notifications say whether desktop notifications are shown. What waits for the
// user stands in the tray either way.
type Notifications string

const (
	NotificationsOn  Notifications = "" // the default
	NotificationsOff Notifications = "off"
)

// Approvals say when a program has to be allowed to use a server or an account.
type Approvals string

const (
	ApprovalsOff      Approvals = ""          // the default: never
	ApprovalsFirstUse Approvals = "first-use" // once, until that is revoked
	ApprovalsSession  Approvals = "session"   // anew each time that the program is started
)

// Stricter returns the one of two that asks more often.
func (a Approvals) Stricter(b Approvals) Approvals {
	if a == ApprovalsSession || b == ApprovalsOff {
		return a
	}
	return b
}

// choices are the settings by name, each with its values. The first is the
// default, which is stored as nothing.
var choices = map[string][]string{
	"language":            {"system", string(English), string(Japanese)},
	"notifications":       {"on", string(NotificationsOff)},
	"approvals":           {"off", string(ApprovalsFirstUse), string(ApprovalsSession)},
	"client-metadata-url": {""}, // or an address
}

// SettingNames returns the names of the settings, sorted.
func SettingNames() []string { return slices.Sorted(maps.Keys(choices)) }

// SettingValues returns the values that a setting can have, the default first;
// nil for a setting that there is not.
func SettingValues(name string) []string { return slices.Clone(choices[name]) }

func (c *Choices) field(name string) *string {
	switch name {
	case "language":
		return (*string)(&c.Language)
	case "notifications":
		return (*string)(&c.Notifications)
	case "approvals":
		return (*string)(&c.Approvals)
	case "client-metadata-url":
		return &c.ClientMetadataURL
	}
	return nil
}

// Get returns the value of the setting that the command line calls name.
func (c *Choices) Get(name string) (string, error) {
	f := c.field(name)
	switch {
	case f == nil:
		return "", noSetting(name)
	case *f == "":
		return choices[name][0], nil
	}
	return *f, nil
}

// Set changes the setting that the command line calls name. An empty value puts
// its default back.
func (c *Choices) Set(name, value string) error {
	f := c.field(name)
	switch {
	case f == nil:
		return noSetting(name)
	case value == "" || value == choices[name][0]:
		*f = ""
	case f == &c.ClientMetadataURL:
		if err := CheckDocumentURL(value); err != nil {
			return err
		}
		*f = value
	case slices.Contains(choices[name], value):
		*f = value
	default:
		return hint.New(hint.Usage, fmt.Sprintf("%q is not a value of the setting %s.", clip(value), name), "Use "+strings.Join(choices[name], ", ")+".")
	}
	return nil
}

func noSetting(name string) error {
	return hint.New(hint.Usage, fmt.Sprintf("There is no setting named %q.", clip(name)), "The settings are "+strings.Join(SettingNames(), ", ")+".")
}
