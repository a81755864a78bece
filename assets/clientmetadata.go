package assets

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
)

//go:embed client-metadata.json
var clientMetadata []byte

// RedirectPorts are the ports that the client ID metadata document lists beside
// redirect URIs without one, for authorization servers that compare the port too.
var RedirectPorts = []int{47811, 47812, 47813}

// ClientMetadata returns our client ID metadata document for publishing at an
// address, which then is the client's id: https, with a path, without a query
// (OAuth Client ID Metadata Document section 3).
func ClientMetadata(address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path == "" || u.Path == "/" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the address has to be https, with a path and nothing after it")
	}
	const placeholder = `"https://keyporter.example/client-metadata.json"`
	id, err := json.Marshal(address)
	if err != nil {
		return nil, fmt.Errorf("client metadata: %w", err)
	}
	return bytes.Replace(clientMetadata, []byte(placeholder), id, 1), nil
}
