package assets

import _ "embed"

// ProfileSchemaID is what $schema says in a team profile.
const ProfileSchemaID = "urn:keyporter:profile:1"

// ProfileSchema is the JSON Schema of team profiles (*.keyporter.json), for
// editors; broker/team checks more than it can say.
//
//go:embed profile.schema.json
var ProfileSchema []byte
