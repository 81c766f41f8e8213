package remote_test

import (
	"errors"
	"testing"

	"ncloudfs/remote"
)

func TestACLTextIsReadAsItIsWritten(t *testing.T) {
	owner := remote.Grantee{ID: "me"}
	full := remote.Grant{Grantee: owner, Permission: remote.FullControl}
	for _, test := range []struct{ text, canonical string }{
		{"private", "private"},
		{" public-read\n", "public-read"},
		{"public-read-write", "public-read-write"},
		{"authenticated-read", "authenticated-read"},
		{`[]`, "private"},
		{`[{"group":"AllUsers","permission":"READ"}]`, "public-read"},
		{`[{"group":"http://acs.amazonaws.com/groups/global/AuthenticatedUsers","permission":"READ_ACP"}]`, `[{"group":"AuthenticatedUsers","permission":"READ_ACP"}]`},
		{`[{"id":"ncp-1-0","name":"bob","permission":"READ"},{"email":"a@b.c","permission":"WRITE_ACP"}]`, `[{"id":"ncp-1-0","name":"bob","permission":"READ"},{"email":"a@b.c","permission":"WRITE_ACP"}]`},
	} {
		a, err := remote.ParseACL(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		equal(t, test.text, a.Text(), test.canonical)
		owned := &remote.ACL{Owner: owner, Grants: append(a.Grants, full)}
		doc, err := owned.XML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := remote.ParseACL(string(doc))
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		equal(t, string(doc), again.Text(), owned.Text())
	}
}

func TestUndocumentedACLIsRefused(t *testing.T) {
	for _, text := range []string{"", "log-delivery-write", "{}", `[{"id":"a","group":"AllUsers","permission":"READ"}]`, `[{"id":"a","permission":"read"}]`,
		`[{"id":"a"}]`, `[] []`, `<AccessControlPolicy></AccessControlPolicy>`, `<Other/>`,
		`<AccessControlPolicy><Owner><ID>a</ID></Owner><AccessControlList><Grant><Grantee><ID>b</ID></Grantee><Permission>ALL</Permission></Grant></AccessControlList></AccessControlPolicy>`,
		`<AccessControlPolicy><Owner><ID>a</ID></Owner></AccessControlPolicy> more`} {
		if a, err := remote.ParseACL(text); remote.CodeOf(err) != remote.MalformedACL || errors.Unwrap(err) == nil {
			t.Errorf("%s: %+v, %v", text, a, err)
		}
	}
}

// TestGrantsNeedNotNameTheOwner, who keeps full control.
func TestGrantsNeedNotNameTheOwner(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		put(t, c, p, "x", remote.PutOptions{})
		a := &remote.ACL{Grants: []remote.Grant{{Grantee: remote.Grantee{ID: s.id(t, s.bob(t))}, Permission: remote.Read}}}
		for _, owner := range []remote.Grantee{{}, {ID: s.id(t, s.bob(t))}} { // unknown, or the object's was another
			a.Owner = owner
			if err := c.ApplyACL(t.Context(), p, a); err != nil {
				t.Fatal(err)
			}
			equal(t, "alice reads", mayRead(t, c, p), true)
			equal(t, "bob reads", mayRead(t, s.bob(t), p), true)
			equal(t, "anonymous reads", mayRead(t, s.anonymous(t), p), false)
			if err := c.SetCannedACL(t.Context(), p, remote.Private); err != nil {
				t.Fatal(err)
			}
		}
	})
}
