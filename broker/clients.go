package broker

import (
	"context"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

var errNoClients = hint.New(hint.Failed, "This agent cannot edit the configuration of MCP clients.", "Copy the lines that keyporter show prints into it.")

// Clients lists the MCP clients whose configuration can be edited.
func (b *Broker) Clients(context.Context) (*local.Clients, error) {
	return &local.Clients{Clients: []local.MCPClient{}}, nil
}

// InstallClient puts servers into a client's configuration.
func (b *Broker) InstallClient(context.Context, local.InstallRequest) (*local.Installed, error) {
	return nil, errNoClients
}

// UninstallClient takes our entries out of a client's configuration.
func (b *Broker) UninstallClient(context.Context, local.InstallRequest) (*local.Installed, error) {
	return nil, errNoClients
}
