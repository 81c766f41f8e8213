package emulator_test

import (
	"fmt"
	"strings"
	"testing"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

func canned(name string) map[string]string { return map[string]string{"x-amz-acl": name} }

// NAVER's canned ACLs for objects, and nothing else.
func TestCannedACLOfAnObjectDecidesWhoReads(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	for name, want := range map[string][2]int{ // bob, anonymous
		"private": {403, 403}, "public-read": {200, 200}, "public-read-write": {200, 200}, "authenticated-read": {200, 403},
	} {
		must(t, s, call{method: "PUT", path: "/bucket/key", body: "x", header: canned(name)})
		bob := do(t, s, call{method: "GET", path: "/bucket/key", as: emulatortest.Bob()}).status
		anonymous := do(t, s, call{method: "HEAD", path: "/bucket/key", anonymous: true}).status
		if got := [2]int{bob, anonymous}; got != want {
			t.Errorf("%s: bob and anonymous got %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"bucket-owner-full-control", "aws-exec-read", "log-delivery-write", "nonsense"} {
		wantCode(t, s, call{method: "PUT", path: "/bucket/key", header: canned(name)}, 400, "InvalidArgument")
	}
}

// NAVER: READ on a bucket lets one list it, not read its objects; WRITE lets
// one put and delete.
func TestBucketPermissions(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	bob := emulatortest.Bob()
	for _, c := range []struct {
		grant                             string
		list, read, write, getACL, setACL bool
	}{
		{"x-amz-grant-read", true, false, false, false, false},
		{"x-amz-grant-write", false, false, true, false, false},
		{"x-amz-grant-read-acp", false, false, false, true, false},
		{"x-amz-grant-write-acp", false, false, false, false, true},
		{"x-amz-grant-full-control", true, false, true, true, true},
	} {
		set := map[string]string{c.grant: `id="` + bob.ID + `"`}
		if c.grant != "x-amz-grant-full-control" {
			set["x-amz-grant-full-control"] = `id="` + emulatortest.Alice().ID + `"`
		} else {
			set[c.grant] += `, id="` + emulatortest.Alice().ID + `"`
		}
		must(t, s, call{method: "PUT", path: "/bucket?acl", header: set})
		put(t, s, "/bucket/alices", "x")
		for what, try := range map[string]struct {
			call
			ok bool
		}{
			"list":    {call{method: "GET", path: "/bucket"}, c.list},
			"uploads": {call{method: "GET", path: "/bucket?uploads"}, c.list},
			"head":    {call{method: "HEAD", path: "/bucket"}, c.list},
			"read":    {call{method: "GET", path: "/bucket/alices"}, c.read},
			"put":     {call{method: "PUT", path: "/bucket/bobs", body: "x"}, c.write},
			"begin":   {call{method: "POST", path: "/bucket/bobs?uploads"}, c.write},
			"delete":  {call{method: "DELETE", path: "/bucket/absent"}, c.write},
			"get acl": {call{method: "GET", path: "/bucket?acl"}, c.getACL},
			"cors":    {call{method: "GET", path: "/bucket?cors"}, false},
		} {
			try.as = bob
			if r := do(t, s, try.call); (r.status/100 == 2) != try.ok {
				t.Errorf("with %s, %s: got %d", c.grant, what, r.status)
			}
		}
		set["x-amz-grant-read-acp"] = set[c.grant]
		if r := do(t, s, call{method: "PUT", path: "/bucket?acl", header: set, as: bob}); (r.status == 200) != c.setACL {
			t.Errorf("with %s, set acl: got %d", c.grant, r.status)
		}
	}
}

func TestObjectPermissions(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	bob := emulatortest.Bob()
	for _, c := range []struct {
		grant                string
		read, getACL, setACL bool
	}{
		{"x-amz-grant-read", true, false, false},
		{"x-amz-grant-read-acp", false, true, false},
		{"x-amz-grant-write-acp", false, false, true},
		{"x-amz-grant-full-control", true, true, true},
	} {
		must(t, s, call{method: "PUT", path: "/bucket/key", header: map[string]string{c.grant: "id=" + bob.ID}})
		for what, try := range map[string]struct {
			call
			ok bool
		}{
			"get":     {call{method: "GET", path: "/bucket/key"}, c.read},
			"head":    {call{method: "HEAD", path: "/bucket/key"}, c.read},
			"get acl": {call{method: "GET", path: "/bucket/key?acl"}, c.getACL},
			"delete":  {call{method: "DELETE", path: "/bucket/key"}, false},
		} {
			try.as = bob
			if r := do(t, s, try.call); (r.status/100 == 2) != try.ok {
				t.Errorf("with %s, %s: got %d", c.grant, what, r.status)
			}
		}
		if r := do(t, s, call{method: "PUT", path: "/bucket/key?acl", header: canned("private"), as: bob}); (r.status == 200) != c.setACL {
			t.Errorf("with %s, set acl: got %d", c.grant, r.status)
		}
	}
}

func TestWhoMayNotListLearnsNothingOfAbsentKeys(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	wantCode(t, s, call{method: "GET", path: "/bucket/absent", as: emulatortest.Bob()}, 403, "AccessDenied")
	must(t, s, call{method: "PUT", path: "/bucket?acl", header: canned("public-read")})
	wantCode(t, s, call{method: "GET", path: "/bucket/absent", as: emulatortest.Bob()}, 404, "NoSuchKey")
}

// NAVER documents that a copy is private; that overwriting starts from the
// default ACL too is inferred from it, not documented.
func TestOverwritingLosesTheACL(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	must(t, s, call{method: "PUT", path: "/bucket/key", header: canned("public-read")})
	put(t, s, "/bucket/key", "again")
	wantCode(t, s, call{method: "GET", path: "/bucket/key", anonymous: true}, 403, "AccessDenied")
}

func TestWriterOwnsTheObject(t *testing.T) {
	s := emulatortest.Start(t, emulator.Options{})
	makeOpenBucket(t, s)
	must(t, s, call{method: "PUT", path: "/bucket/bobs", body: "x", as: emulatortest.Bob()})
	wantCode(t, s, call{method: "GET", path: "/bucket/bobs"}, 403, "AccessDenied")
	must(t, s, call{method: "GET", path: "/bucket/bobs", as: emulatortest.Bob()})
	must(t, s, call{method: "PUT", path: "/bucket/nobodys", body: "x", anonymous: true})
	must(t, s, call{method: "DELETE", path: "/bucket/bobs", anonymous: true})
}

func policy(owner string, grants ...string) string {
	return "<AccessControlPolicy><Owner><ID>" + owner + "</ID></Owner><AccessControlList>" +
		strings.Join(grants, "") + "</AccessControlList></AccessControlPolicy>"
}

func xmlGrant(grantee, permission string) string {
	return fmt.Sprintf(`<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="x">%s</Grantee><Permission>%s</Permission></Grant>`, grantee, permission)
}

func TestACLDocumentGoesRound(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	alice, bob := emulatortest.Alice().ID, emulatortest.Bob().ID
	etag := put(t, s, "/bucket/key", "x").header.Get("ETag")
	for _, path := range []string{"/bucket?acl", "/bucket/key?acl"} {
		must(t, s, call{method: "PUT", path: path, body: policy(alice, xmlGrant("<ID>"+bob+"</ID>", "READ_ACP"),
			xmlGrant("<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", "READ"))})
		first := must(t, s, call{method: "GET", path: path, as: emulatortest.Bob()}).body
		must(t, s, call{method: "PUT", path: path, body: strings.TrimPrefix(first, `<?xml version="1.0" encoding="UTF-8"?>`)})
		if again := must(t, s, call{method: "GET", path: path}).body; again != first {
			t.Errorf("%s: got %s, want %s", path, again, first)
		}
	}
	if r := must(t, s, call{method: "GET", path: "/bucket/key", anonymous: true}); r.header.Get("ETag") != etag {
		t.Errorf("the ACL changed the ETag")
	}
}

func TestMalformedACLs(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	alice := emulatortest.Alice().ID
	bob := "<ID>" + emulatortest.Bob().ID + "</ID>"
	for _, c := range []struct {
		call
		status int
		code   string
	}{
		{call{body: "not xml"}, 400, "MalformedACLError"},
		{call{body: "<AccessControlPolicy/>"}, 400, "MalformedACLError"},
		{call{body: policy(alice, xmlGrant(bob, "EVERYTHING"))}, 400, "MalformedACLError"},
		{call{body: policy(emulatortest.Bob().ID, xmlGrant(bob, "READ"))}, 403, "AccessDenied"},
		{call{body: policy(alice, xmlGrant("<ID>nobody</ID>", "READ"))}, 400, "InvalidArgument"},
		{call{body: policy(alice, xmlGrant("<EmailAddress>a@b</EmailAddress>", "READ"))}, 400, "UnresolvableGrantByEmailAddress"},
		{call{}, 400, "MissingRequestBodyError"},
		{call{body: policy(alice), header: canned("private")}, 400, "UnexpectedContent"},
		{call{header: map[string]string{"x-amz-acl": "private", "x-amz-grant-read": "id=" + alice}}, 400, "InvalidRequest"},
		{call{header: map[string]string{"x-amz-grant-read": "name=bob"}}, 400, "InvalidArgument"},
	} {
		c.method, c.path = "PUT", "/bucket?acl"
		wantCode(t, s, c.call, c.status, c.code)
	}
}
