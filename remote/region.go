package remote

import (
	"net/url"
	"strings"
)

// Region is one region of NAVER Cloud Object Storage (Object Storage API
// guide, "Overview").
type Region struct {
	Name     string // as --region takes it: "kr"
	SigV4    string // as it stands in signatures: "kr-standard"
	Endpoint string // URL
	Code     string // NAVER's region code as NCLOUD_REGION carries it; may be empty
}

// Regions returns the documented regions, the default one first.
func Regions() []Region {
	return []Region{
		{"kr", "kr-standard", "https://kr.object.ncloudstorage.com", "KR"},
		{"us", "us-standard", "https://us.object.ncloudstorage.com", "USWN"},
		{"sg", "sg-standard", "https://sg.object.ncloudstorage.com", "SGN"},
		{"jp", "jp-standard", "https://jp.object.ncpstorage.com", "JPN"},
		{"de", "de-standard", "https://de.object.ncloudstorage.com", "DEN"},
		{"gov", "gov-standard", "https://kr.object.gov-ncloudstorage.com", ""},
		{"gov2", "gov2-standard", "https://krs.object.gov-ncloudstorage.com", "KRS"},
		{"fin", "fin-standard", "https://kr.object.fin-ncloudstorage.com", "FKR"},
	}
}

// FindRegion returns the region of a name, SigV4 name or NAVER region code,
// in any case.
func FindRegion(name string) (Region, bool) {
	for _, r := range Regions() {
		if strings.EqualFold(name, r.Name) || strings.EqualFold(name, r.SigV4) ||
			(r.Code != "" && strings.EqualFold(name, r.Code)) {
			return r, true
		}
	}
	return Region{}, false
}

// regionOfHost returns the region whose documented endpoint is on this host.
func regionOfHost(host string) (Region, bool) {
	for _, r := range Regions() {
		if u, err := url.Parse(r.Endpoint); err == nil && strings.EqualFold(u.Host, host) {
			return r, true
		}
	}
	return Region{}, false
}

// EnvironmentEndpoint returns what NAVER's tools read: the region of
// NCLOUD_REGION and the endpoint of NCLOUD_OBS_ENDPOINT; each may be empty.
func EnvironmentEndpoint(env func(string) string) (region, endpoint string) {
	region, endpoint = env("NCLOUD_REGION"), env("NCLOUD_OBS_ENDPOINT")
	if r, ok := FindRegion(region); ok {
		region = r.Name
	}
	return region, endpoint
}
