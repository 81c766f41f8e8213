package remote_test

import (
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

func TestEndpointAndRegion(t *testing.T) {
	for _, test := range []struct{ endpoint, region, wantEndpoint, wantRegion string }{
		{"", "", "https://kr.object.ncloudstorage.com", "kr-standard"},
		{"", "kr", "https://kr.object.ncloudstorage.com", "kr-standard"},
		{"", "KR", "https://kr.object.ncloudstorage.com", "kr-standard"},
		{"", "us", "https://us.object.ncloudstorage.com", "us-standard"},
		{"", "sg-standard", "https://sg.object.ncloudstorage.com", "sg-standard"},
		{"", "jp", "https://jp.object.ncpstorage.com", "jp-standard"},
		{"", "de", "https://de.object.ncloudstorage.com", "de-standard"},
		{"", "gov", "https://kr.object.gov-ncloudstorage.com", "gov-standard"},
		{"", "gov2", "https://krs.object.gov-ncloudstorage.com", "gov2-standard"},
		{"", "fin", "https://kr.object.fin-ncloudstorage.com", "fin-standard"},
		{"http://127.0.0.1:9000/", "", "http://127.0.0.1:9000", "kr-standard"},
		{"https://s3.example.com", "us-east-1", "https://s3.example.com", "us-east-1"},
		{"https://kr.object.private.ncloudstorage.com", "kr", "https://kr.object.private.ncloudstorage.com", "kr-standard"},
		{"https://US.object.ncloudstorage.com", "", "https://US.object.ncloudstorage.com", "us-standard"},
		{"jp.object.ncpstorage.com", "", "https://jp.object.ncpstorage.com", "jp-standard"},
	} {
		c, err := remote.New(remote.Options{Endpoint: test.endpoint, Region: test.region, Credentials: aliceKeys()})
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		equal(t, test.endpoint+" "+test.region+": endpoint", c.Endpoint(), test.wantEndpoint)
		equal(t, test.endpoint+" "+test.region+": region", c.Region(), test.wantRegion)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	for want, o := range map[string]remote.Options{
		"moon":                {Region: "moon", Credentials: aliceKeys()},
		"ftp":                 {Endpoint: "ftp://host", Credentials: aliceKeys()},
		"want http://HOST":    {Endpoint: "https://host/path", Credentials: aliceKeys()},
		"endpoint":            {Endpoint: "https://user:" + secret + "@host", Credentials: aliceKeys()},
		"no access key":       {},
		"no access key and s": {Credentials: remote.Credentials{AccessKey: "A"}},
	} {
		_, err := remote.New(o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", want, err)
			continue
		}
		wantNoSecret(t, want, err.Error())
	}
}

func TestEnvironmentEndpoint(t *testing.T) {
	for name, want := range map[string]string{"": "", "KR": "kr", "JPN": "jp", "SGN": "sg", "USWN": "us", "DEN": "de", "FKR": "fin", "moon": "moon"} {
		region, endpoint := remote.EnvironmentEndpoint(func(variable string) string {
			return map[string]string{"NCLOUD_REGION": name, "NCLOUD_OBS_ENDPOINT": "https://x"}[variable]
		})
		equal(t, name, region, want)
		equal(t, "endpoint", endpoint, "https://x")
	}
}

// A private CA is trusted through AWS_CA_BUNDLE.
func TestCABundle(t *testing.T) {
	s := tlsService(t, emulator.Options{})
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.emulator.HTTP.Certificate().Raw})
	if err := os.WriteFile(bundle, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	c := s.client(t, aliceKeys(), func(o *remote.Options) { o.Transport = nil })
	if _, err := c.Buckets(t.Context()); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{filepath.Join(t.TempDir(), "absent"), "options_test.go"} {
		t.Setenv("AWS_CA_BUNDLE", bad)
		if _, err := remote.New(remote.Options{Credentials: aliceKeys()}); err == nil || !strings.Contains(err.Error(), "AWS_CA_BUNDLE") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// The default transport: many connections of HTTP/1.1, bodies as they are.
func TestDefaultTransport(t *testing.T) {
	transport := newTransport(t)
	if transport.MaxIdleConnsPerHost < 64 || !transport.DisableCompression || transport.Proxy == nil || transport.Protocols.HTTP2() {
		t.Errorf("%+v", transport)
	}
}

// Requests go through the proxy that the transport's Proxy names.
func TestRequestsGoThroughAProxy(t *testing.T) {
	t.Parallel()
	onEmulator(t, func(t *testing.T, s *service) {
		if s.name != "emulator" {
			return // through CONNECT the proxy would have to be a real one
		}
		proxied := s.transport.(*http.Transport).Clone()
		at, err := url.Parse(s.endpoint) // the emulator takes a proxy's request for its own: the path is the same
		if err != nil {
			t.Fatal(err)
		}
		proxied.Proxy = http.ProxyURL(at)
		c := s.client(t, aliceKeys(), func(o *remote.Options) {
			o.Endpoint, o.Transport = "http://object.store.invalid", proxied
		})
		if _, err := c.Buckets(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
