package network

import (
	"crypto/x509"
	"slices"
	"strings"
)

// inspectors are the names under which programs that open and look into
// encrypted connections issue certificates, in lower case, as they stand in the
// issuer's organisation or common name, with the product's name. A public
// authority of the same company must not match.
var inspectors = []struct{ mark, name string }{
	{"zscaler", "Zscaler"},
	{"netskope", "Netskope"}, {"goskope", "Netskope"},
	{"palo alto networks", "Palo Alto Networks"}, {"prisma access", "Palo Alto Networks"}, {"globalprotect", "Palo Alto Networks"},
	{"cisco umbrella", "Cisco Umbrella"}, {"cisco secure access", "Cisco Secure Access"},
	{"fortinet", "Fortinet"}, {"fortigate", "Fortinet"},
	{"sophos", "Sophos"}, {"forcepoint", "Forcepoint"},
	{"blue coat", "Blue Coat"}, {"symantec web security service", "Symantec Web Security Service"},
	{"mcafee web gateway", "Skyhigh"}, {"skyhigh", "Skyhigh"},
	{"check point", "Check Point"}, {"checkpoint", "Check Point"},
	{"sonicwall", "SonicWall"}, {"watchguard", "WatchGuard"}, {"barracuda", "Barracuda"}, {"untangle", "Untangle"},
	{"menlo security", "Menlo Security"}, {"cato networks", "Cato Networks"}, {"iboss", "iboss"}, {"lightspeed systems", "Lightspeed"},
	{"gateway ca - cloudflare", "Cloudflare Gateway"}, {"cloudflare for teams", "Cloudflare Gateway"},
	{"kaspersky", "Kaspersky"}, {"eset ssl filter", "ESET"}, {"bitdefender", "Bitdefender"},
	{"avast! web", "Avast"}, {"avast web", "Avast"}, {"avg web", "AVG"}, {"adguard", "AdGuard"},
	{"mitmproxy", "mitmproxy"}, {"fiddlerroot", "Fiddler"}, {"charles proxy", "Charles"}, {"portswigger", "Burp Suite"}, {"proxyman", "Proxyman"},
}

// Inspector names the program that stands in for a server, if the certificate that
// was shown is one that such programs make. An empty answer says only that none
// was recognised.
func Inspector(chain []*x509.Certificate) string {
	for _, c := range chain {
		for _, text := range slices.Concat(c.Issuer.Organization, c.Issuer.OrganizationalUnit, []string{c.Issuer.CommonName}) {
			text = strings.ToLower(text)
			for _, i := range inspectors {
				if strings.Contains(text, i.mark) {
					return i.name
				}
			}
		}
	}
	return ""
}
