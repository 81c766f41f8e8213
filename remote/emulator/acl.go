package emulator

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

const (
	groupAll           = "http://acs.amazonaws.com/groups/global/AllUsers"
	groupAuthenticated = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"

	// anonymousID owns what anonymous requests write into a
	// public-read-write bucket.
	anonymousID = "anonymous"

	maxGrants = 100
)

// Permissions of a grant. WRITE means something for buckets only; the canned
// ACL public-read-write puts it on objects too.
const (
	permRead     = "READ"
	permWrite    = "WRITE"
	permReadACP  = "READ_ACP"
	permWriteACP = "WRITE_ACP"
	permFull     = "FULL_CONTROL"
)

// grantee is a member (ID) or a predefined group.
type grantee struct {
	ID          string `json:",omitempty"`
	DisplayName string `json:",omitempty"`
	Group       string `json:",omitempty"` // URI
}

type grant struct {
	Grantee    grantee
	Permission string
}

// acl is an immutable access control list.
type acl struct {
	Owner  grantee
	Grants []grant
}

// allows reports whether who (nil: anonymous) has the permission. The owner
// can always read and write the list itself.
func (a acl) allows(who *Account, permission string) bool {
	id := anonymousID
	if who != nil {
		id = who.ID
	}
	if id == a.Owner.ID && (permission == permReadACP || permission == permWriteACP) {
		return true
	}
	return slices.ContainsFunc(a.Grants, func(g grant) bool {
		if g.Permission != permission && g.Permission != permFull {
			return false
		}
		switch g.Grantee.Group {
		case groupAll:
			return true
		case groupAuthenticated:
			return who != nil
		default:
			return g.Grantee.ID == id
		}
	})
}

// cannedACL makes the list of a canned name. NAVER documents these four.
func cannedACL(name string, owner grantee) (acl, error) {
	a := acl{Owner: owner, Grants: []grant{{owner, permFull}}}
	group := func(uri, permission string) {
		a.Grants = append(a.Grants, grant{grantee{Group: uri}, permission})
	}
	switch name {
	case "", "private":
	case "public-read":
		group(groupAll, permRead)
	case "public-read-write":
		group(groupAll, permRead)
		group(groupAll, permWrite)
	case "authenticated-read":
		group(groupAuthenticated, permRead)
	default:
		return acl{}, refuse("InvalidArgument", "there is no canned ACL %q", name)
	}
	return a, nil
}

// grantHeader is a header that grants a permission.
type grantHeader struct{ name, permission string }

func grantHeaders() []grantHeader {
	return []grantHeader{
		{"x-amz-grant-full-control", permFull},
		{"x-amz-grant-read", permRead},
		{"x-amz-grant-write", permWrite},
		{"x-amz-grant-read-acp", permReadACP},
		{"x-amz-grant-write-acp", permWriteACP},
	}
}

func hasACLHeaders(h http.Header) bool {
	return h.Get("x-amz-acl") != "" || hasGrantHeaders(h)
}

func hasGrantHeaders(h http.Header) bool {
	for _, g := range grantHeaders() {
		if h.Get(g.name) != "" {
			return true
		}
	}
	return false
}

// headerACL makes the list that x-amz-acl or x-amz-grant-* ask for; without
// them it is private.
func (s *Server) headerACL(h http.Header, owner grantee) (acl, error) {
	if !hasGrantHeaders(h) {
		return cannedACL(h.Get("x-amz-acl"), owner)
	}
	if h.Get("x-amz-acl") != "" {
		return acl{}, refuse("InvalidRequest", "x-amz-acl and x-amz-grant-* exclude each other")
	}
	a := acl{Owner: owner}
	for _, gh := range grantHeaders() {
		for item := range strings.SplitSeq(strings.Join(h.Values(gh.name), ","), ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			kind, value, _ := strings.Cut(item, "=")
			who, err := s.grantee(kind, strings.Trim(strings.TrimSpace(value), `"`))
			if err != nil {
				return acl{}, err
			}
			a.Grants = append(a.Grants, grant{who, gh.permission})
		}
	}
	return a, a.checkSize()
}

func (a acl) checkSize() error {
	if len(a.Grants) > maxGrants {
		return refuse("InvalidArgument", "there are over %d grants", maxGrants)
	}
	return nil
}

// grantee resolves one: kind is id, uri or emailAddress.
func (s *Server) grantee(kind, value string) (grantee, error) {
	switch kind {
	case "id":
		m := s.members[value]
		if m == nil {
			return grantee{}, refuse("InvalidArgument", "there is no member %q", value)
		}
		return grantee{ID: m.ID, DisplayName: m.DisplayName}, nil
	case "uri":
		if value != groupAll && value != groupAuthenticated {
			return grantee{}, refuse("InvalidArgument", "there is no group %q", value)
		}
		return grantee{Group: value}, nil
	case "emailAddress":
		return grantee{}, refuse("UnresolvableGrantByEmailAddress", "no member is known by e-mail address")
	default:
		return grantee{}, refuse("InvalidArgument", "a grantee is id=, uri= or emailAddress=")
	}
}

// policyXML is an AccessControlPolicy document.
type policyXML struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	Owner   *struct {
		ID string `xml:"ID"`
	} `xml:"Owner"`
	Grants []struct {
		Grantee struct {
			ID    string `xml:"ID"`
			URI   string `xml:"URI"`
			Email string `xml:"EmailAddress"`
		} `xml:"Grantee"`
		Permission string `xml:"Permission"`
	} `xml:"AccessControlList>Grant"`
}

// bodyACL reads a list from the body of a PUT ?acl.
func (s *Server) bodyACL(r *request, owner grantee) (acl, error) {
	var p policyXML
	if err := r.decode(&p, "MalformedACLError"); err != nil {
		return acl{}, err
	}
	if p.Owner == nil {
		return acl{}, refuse("MalformedACLError", "the document lacks an Owner")
	}
	if p.Owner.ID != owner.ID {
		return acl{}, refuse("AccessDenied", "the owner cannot be changed")
	}
	a := acl{Owner: owner}
	for _, g := range p.Grants {
		kind, value := "id", g.Grantee.ID
		switch {
		case g.Grantee.URI != "":
			kind, value = "uri", g.Grantee.URI
		case g.Grantee.Email != "":
			kind, value = "emailAddress", g.Grantee.Email
		}
		who, err := s.grantee(kind, value)
		if err != nil {
			return acl{}, err
		}
		switch g.Permission {
		case permRead, permWrite, permReadACP, permWriteACP, permFull:
		default:
			return acl{}, refuse("MalformedACLError", "there is no permission %q", g.Permission)
		}
		a.Grants = append(a.Grants, grant{who, g.Permission})
	}
	return a, a.checkSize()
}

// requestedACL is the list that a PUT ?acl asks for: by a canned name, by
// headers or by a document, and only by one of them.
func (s *Server) requestedACL(r *request, owner grantee) (acl, error) {
	body := r.ContentLength != 0
	switch headers := hasACLHeaders(r.Header); {
	case headers && body:
		return acl{}, refuse("UnexpectedContent", "the list is given by headers and by a document")
	case headers:
		return s.headerACL(r.Header, owner)
	case body:
		return s.bodyACL(r, owner)
	default:
		return acl{}, refuse("MissingRequestBodyError", "no list is given")
	}
}

func (a acl) send(r *request) error {
	var d document
	d.root("AccessControlPolicy")
	d.owner("Owner", a.Owner)
	d.open("AccessControlList")
	for _, g := range a.Grants {
		d.open("Grant")
		d.WriteString(`<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="`)
		if g.Grantee.Group != "" {
			d.WriteString(`Group">`)
			d.text("URI", g.Grantee.Group)
		} else {
			d.WriteString(`CanonicalUser">`)
			d.text("ID", g.Grantee.ID)
			d.text("DisplayName", g.Grantee.DisplayName)
		}
		d.close("Grantee")
		d.text("Permission", g.Permission)
		d.close("Grant")
	}
	d.close("AccessControlList")
	d.close("AccessControlPolicy")
	return r.answer.sendDocument(&d)
}
