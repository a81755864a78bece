package network

import (
	"context"

	"golang.org/x/sys/windows/registry"
)

func readDesktop(context.Context, func(string) string) Desktop {
	k, err := registry.OpenKey(registry.CURRENT_USER, `Software\Microsoft\Windows\CurrentVersion\Internet Settings`, registry.QUERY_VALUE)
	if err != nil {
		return Desktop{}
	}
	defer k.Close()
	text := func(name string) string {
		v, _, _ := k.GetStringValue(name) // empty if it is not there
		return v
	}
	enabled, _, _ := k.GetIntegerValue("ProxyEnable") // 0 if it is not there
	return windows(enabled != 0, text("ProxyServer"), text("ProxyOverride"), text("AutoConfigURL"))
}
