package remote

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
)

// The predefined groups (Object Storage API guide, "ACL").
const (
	AllUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	AuthenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
)

// The permissions of a grant.
const (
	Read        = "READ"
	Write       = "WRITE" // of a bucket only
	ReadACP     = "READ_ACP"
	WriteACP    = "WRITE_ACP"
	FullControl = "FULL_CONTROL"
)

// The canned ACLs; the service takes no others.
const (
	Private           = "private"
	PublicRead        = "public-read"
	PublicReadWrite   = "public-read-write"
	AuthenticatedRead = "authenticated-read"
)

// opSetACL names the operation in errors.
const opSetACL = "PUT ACL"

// ACL says who may do what with an object or a bucket. One without an owner is
// for whatever owner an object has, who keeps full control unless a grant names
// the owner.
type ACL struct {
	Owner  Grantee
	Grants []Grant
}

// Grantee is an account by id or e-mail address, or a group. One of ID, Group
// and Email is set.
type Grantee struct {
	ID          string
	DisplayName string // beside ID; only for people
	Group       string // URI: AllUsers, AuthenticatedUsers
	Email       string
}

// Grant gives one permission to one grantee.
type Grant struct {
	Grantee    Grantee
	Permission string // READ, WRITE, READ_ACP, WRITE_ACP, FULL_CONTROL
}

// Canned returns the canned name of a, or "" when it has none: canned ACLs
// give the owner full control and, by name, groups some permissions.
func (a *ACL) Canned() string {
	want := map[Grant]bool{}
	owner := a.Owner.ID == "" // has full control unless a says otherwise
	for _, g := range a.Grants {
		if g.Grantee.ID != "" && g.Grantee.ID == a.Owner.ID {
			if g.Permission != FullControl {
				return ""
			}
			owner = true
			continue
		}
		want[Grant{Grantee{ID: g.Grantee.ID, Group: g.Grantee.Group, Email: g.Grantee.Email}, g.Permission}] = true
	}
	all := func(p string) bool { return want[Grant{Grantee{Group: AllUsers}, p}] }
	switch {
	case !owner:
		return ""
	case len(want) == 0:
		return Private
	case len(want) == 1 && all(Read):
		return PublicRead
	case len(want) == 2 && all(Read) && all(Write):
		return PublicReadWrite
	case len(want) == 1 && want[Grant{Grantee{Group: AuthenticatedUsers}, Read}]:
		return AuthenticatedRead
	}
	return ""
}

// ACL reads the ACL of an object, or of the bucket when the key is empty.
func (c *Client) ACL(ctx context.Context, p Path) (*ACL, error) {
	k := aclCall("GET ACL", http.MethodGet, p)
	var acl *ACL
	k.accept = func(a *answer) error {
		var doc aclDocument
		if err := a.decode(k, &doc); err != nil {
			return err
		}
		acl = doc.acl()
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	return acl, nil
}

// SetACL replaces the ACL of an object, or of the bucket when the key is empty.
func (c *Client) SetACL(ctx context.Context, p Path, a *ACL) error {
	doc, err := a.XML()
	if err != nil {
		return &Error{Op: opSetACL, Path: p, Code: MalformedACL, Err: err}
	}
	k := aclCall(opSetACL, http.MethodPut, p)
	body := bytes.NewReader(doc)
	k.header = http.Header{"Content-Type": {"application/xml"}}
	k.body, k.size, k.signed, k.digest = body, body.Size(), true, true
	return c.do(ctx, k)
}

// SetCannedACL replaces the ACL of an object, or of the bucket when the key is
// empty, by a canned one.
func (c *Client) SetCannedACL(ctx context.Context, p Path, acl string) error {
	k := aclCall(opSetACL, http.MethodPut, p)
	k.header = http.Header{}
	setACL(k.header, acl)
	return c.do(ctx, k)
}

// ApplyACL is SetACL for an ACL that need not name the present owner, who cannot
// be changed: one request for what has a canned name, or names the owner, else
// another one before it that asks for the owner.
func (c *Client) ApplyACL(ctx context.Context, p Path, a *ACL) error {
	if canned := a.Canned(); canned != "" {
		return c.SetCannedACL(ctx, p, canned)
	}
	var refused error
	if a.Owner.ID != "" {
		if refused = c.SetACL(ctx, p, a); CodeOf(refused) != AccessDenied {
			return refused
		}
	}
	now, err := c.ACL(ctx, p)
	if err != nil {
		return cmp.Or(refused, err)
	}
	if refused != nil && now.Owner.ID == a.Owner.ID {
		return refused
	}
	return c.SetACL(ctx, p, a.ownedBy(now.Owner))
}

// ownedBy returns a for an object of another owner, who has full control unless
// a grant says otherwise.
func (a *ACL) ownedBy(owner Grantee) *ACL {
	now := &ACL{Owner: owner, Grants: slices.Clone(a.Grants)}
	if !slices.ContainsFunc(now.Grants, func(g Grant) bool { return g.Grantee.ID == owner.ID }) {
		now.Grants = append(now.Grants, Grant{owner, FullControl})
	}
	return now
}

func aclCall(op, method string, p Path) *call {
	return &call{op: op, path: p, method: method, query: url.Values{"acl": {""}}, bucket: true}
}

// aclDocument is AccessControlPolicy as it is read.
type aclDocument struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	Owner   struct{ ID, DisplayName string }
	Grants  []struct {
		Grantee struct {
			ID, DisplayName, URI, EmailAddress string
		}
		Permission string
	} `xml:"AccessControlList>Grant"`
}

func (d *aclDocument) acl() *ACL {
	a := &ACL{Owner: Grantee{ID: d.Owner.ID, DisplayName: d.Owner.DisplayName}}
	for _, g := range d.Grants {
		e := g.Grantee
		a.Grants = append(a.Grants, Grant{Grantee{e.ID, e.DisplayName, e.URI, e.EmailAddress}, g.Permission})
	}
	return a
}

type granteeXML struct {
	XSI         string `xml:"xmlns:xsi,attr"`
	Type        string `xml:"xsi:type,attr"`
	ID          string `xml:",omitempty"`
	DisplayName string `xml:",omitempty"`
	URI         string `xml:",omitempty"`
	Email       string `xml:"EmailAddress,omitempty"`
}

type grantXML struct {
	Grantee    granteeXML
	Permission string
}

// XML returns a as an AccessControlPolicy document.
func (a *ACL) XML() ([]byte, error) {
	doc := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ AccessControlPolicy"`
		Owner   struct {
			ID          string
			DisplayName string `xml:",omitempty"`
		}
		List struct{ Grant []grantXML } `xml:"AccessControlList"`
	}{}
	doc.Owner.ID, doc.Owner.DisplayName = a.Owner.ID, a.Owner.DisplayName
	for _, g := range a.Grants {
		e := granteeXML{"http://www.w3.org/2001/XMLSchema-instance", "CanonicalUser",
			g.Grantee.ID, g.Grantee.DisplayName, g.Grantee.Group, g.Grantee.Email}
		switch {
		case e.URI != "":
			e.Type = "Group"
		case e.Email != "":
			e.Type = "AmazonCustomerByEmail"
		}
		doc.List.Grant = append(doc.List.Grant, grantXML{e, g.Permission})
	}
	return xml.Marshal(doc)
}
