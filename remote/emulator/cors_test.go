package emulator_test

import (
	"strings"
	"testing"

	"ncloudfs/remote/emulator"
)

const corsDocument = `<CORSConfiguration><CORSRule><ID>one</ID><AllowedOrigin>https://*.example.test</AllowedOrigin>` +
	`<AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader>` +
	`<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>` +
	`<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule></CORSConfiguration>`

// NAVER's PUT, GET and DELETE Bucket CORS and OPTIONS Object.
func TestCORSRulesDecidePreflights(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	wantCode(t, s, call{method: "GET", path: "/bucket?cors"}, 404, "NoSuchCORSConfiguration")
	must(t, s, call{method: "PUT", path: "/bucket?cors", body: corsDocument, header: map[string]string{"Content-MD5": contentMD5(corsDocument)}})
	if r := must(t, s, call{method: "GET", path: "/bucket?cors"}); !strings.Contains(r.body, corsDocument[len("<CORSConfiguration>"):]) {
		t.Errorf("got %s", r.body)
	}
	for _, c := range []struct {
		origin, method, headers string
		allow                   string // of Access-Control-Allow-Origin; empty: refused
	}{
		{"https://a.example.test", "PUT", "X-Amz-Date, x-amz-meta-a", "https://a.example.test"},
		{"https://a.example.test", "PUT", "Content-Type", ""},
		{"https://a.example.test", "DELETE", "", ""},
		{"https://other.test", "PUT", "", ""},
		{"https://other.test", "HEAD", "", "*"},
	} {
		r := do(t, s, call{method: "OPTIONS", path: "/bucket/key", anonymous: true, header: map[string]string{
			"Origin": c.origin, "Access-Control-Request-Method": c.method, "Access-Control-Request-Headers": c.headers}})
		if got := r.header.Get("Access-Control-Allow-Origin"); got != c.allow || (r.status == 200) != (c.allow != "") {
			t.Errorf("%+v: got %d %q", c, r.status, got)
		}
		if c.allow == "" && r.code != "AccessDenied" {
			t.Errorf("%+v: got %s", c, r.code)
		}
	}
	wantCode(t, s, call{method: "OPTIONS", path: "/bucket/key", anonymous: true}, 400, "InvalidRequest")
	must(t, s, call{method: "DELETE", path: "/bucket?cors"})
	wantCode(t, s, call{method: "GET", path: "/bucket?cors"}, 404, "NoSuchCORSConfiguration")
}

func TestActualRequestsCarryCORSHeaders(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	must(t, s, call{method: "PUT", path: "/bucket?cors", body: corsDocument})
	put(t, s, "/bucket/key", "x")
	origin := map[string]string{"Origin": "https://a.example.test"}
	r := must(t, s, call{method: "GET", path: "/bucket/key", header: origin})
	if r.header.Get("Access-Control-Allow-Origin") != "https://a.example.test" || r.header.Get("Access-Control-Expose-Headers") != "ETag" {
		t.Errorf("got %v", r.header)
	}
	r = must(t, s, call{method: "DELETE", path: "/bucket/key", header: origin})
	if r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a method without a rule: got %v", r.header)
	}
}

func TestMalformedCORSIsRefused(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	rule := func(x string) string { return "<CORSConfiguration><CORSRule>" + x + "</CORSRule></CORSConfiguration>" }
	for body, code := range map[string]string{
		"no xml":                                 "MalformedXML",
		"<CORSConfiguration/>":                   "MalformedXML",
		rule("<AllowedOrigin>*</AllowedOrigin>"): "MalformedXML",
		rule("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>"):         "InvalidRequest",
		rule("<AllowedOrigin>https://*.*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"): "InvalidRequest",
	} {
		wantCode(t, s, call{method: "PUT", path: "/bucket?cors", body: body}, 400, code)
	}
}
