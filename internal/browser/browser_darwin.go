package browser

import "context"

func openDefault(ctx context.Context, address string, getenv func(string) string) error {
	return first(ctx, address, getenv, nil, []string{"/usr/bin/open"})
}
