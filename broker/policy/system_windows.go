package policy

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/windows/registry"
)

// key is where group policies write; only administrators can.
const key = `SOFTWARE\Policies\Keyporter`

// system reads the JSON text in the registry value Policy.
func system() (text []byte, source string, err error) {
	const place = `HKEY_LOCAL_MACHINE\` + key
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE)
	if errors.Is(err, registry.ErrNotExist) {
		return nil, place, fs.ErrNotExist
	}
	if err != nil {
		return nil, place, err
	}
	defer k.Close()
	value, _, err := k.GetStringValue("Policy")
	if errors.Is(err, registry.ErrNotExist) {
		return nil, place, fs.ErrNotExist
	}
	return []byte(value), place, err
}
