package broker

import (
	"context"
	"maps"
	"slices"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// SetSettings changes settings by name: all of them, or none if one is wrong.
func (b *Broker) SetSettings(ctx context.Context, s local.SetSettings) (*account.Choices, error) {
	if err := b.setApprovals(ctx, s.Values); err != nil {
		return nil, err
	}
	err := b.editConfig(ctx, func(cfg *account.Config) error {
		for _, name := range slices.Sorted(maps.Keys(s.Values)) {
			if err := b.policies().Setting(name); err != nil {
				return err
			}
			if err := cfg.Settings.Set(name, s.Values[name]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	now := b.settings()
	return &now, nil
}
