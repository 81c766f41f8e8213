package remote

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// groupsURI is what the predefined groups' names stand behind.
const groupsURI = "http://acs.amazonaws.com/groups/global/"

// grantText is a grant as people read and write it.
type grantText struct {
	ID         string `json:"id,omitempty"`
	Name       string `json:"name,omitempty"`  // beside ID; only for people
	Group      string `json:"group,omitempty"` // AllUsers, AuthenticatedUsers
	Email      string `json:"email,omitempty"`
	Permission string `json:"permission"`
}

// Text returns the canned name of a, else its grants as JSON, an array of
// {"id"|"group"|"email": GRANTEE, "permission": PERMISSION}.
func (a *ACL) Text() string {
	if canned := a.Canned(); canned != "" {
		return canned
	}
	grants := make([]grantText, len(a.Grants))
	for i, g := range a.Grants {
		grants[i] = grantText{g.Grantee.ID, g.Grantee.DisplayName, strings.TrimPrefix(g.Grantee.Group, groupsURI), g.Grantee.Email, g.Permission}
	}
	b, _ := json.Marshal(grants) // strings always marshal
	return string(b)
}

// ParseACL reads a canned name, Text's JSON (for any owner), or an
// AccessControlPolicy document. What the service does not document is
// MalformedACL.
func ParseACL(text string) (*ACL, error) {
	var a *ACL
	var err error
	switch text = strings.TrimSpace(text); {
	case strings.HasPrefix(text, "["):
		a, err = parseGrants(text)
	case strings.HasPrefix(text, "<"):
		a, err = parsePolicy(text)
	default:
		a, err = cannedACL(text)
	}
	if err == nil {
		err = a.check()
	}
	if err != nil {
		return nil, &Error{Op: "PUT ACL", Code: MalformedACL, Err: err}
	}
	return a, nil
}

func cannedACL(name string) (*ACL, error) {
	all := func(permission string) Grant { return Grant{Grantee{Group: AllUsers}, permission} }
	switch name {
	case Private:
		return &ACL{}, nil
	case PublicRead:
		return &ACL{Grants: []Grant{all(Read)}}, nil
	case PublicReadWrite:
		return &ACL{Grants: []Grant{all(Read), all(Write)}}, nil
	case AuthenticatedRead:
		return &ACL{Grants: []Grant{{Grantee{Group: AuthenticatedUsers}, Read}}}, nil
	}
	return nil, fmt.Errorf("%q is no canned ACL: give %s, or grants", name, strings.Join(CannedACLs(), ", "))
}

// CannedACLs returns the names that the service takes.
func CannedACLs() []string {
	return []string{Private, PublicRead, PublicReadWrite, AuthenticatedRead}
}

func parseGrants(text string) (*ACL, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	var grants []grantText
	if err := d.Decode(&grants); err != nil {
		return nil, fmt.Errorf(`grants are [{"id": GRANTEE, "permission": PERMISSION}, ...]: %w`, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more behind the grants")
	}
	a := &ACL{}
	for _, g := range grants {
		who := Grantee{g.ID, g.Name, g.Group, g.Email}
		if g.Group != "" && !strings.Contains(g.Group, ":") {
			who.Group = groupsURI + g.Group
		}
		a.Grants = append(a.Grants, Grant{who, g.Permission})
	}
	return a, nil
}

func parsePolicy(text string) (*ACL, error) {
	var doc aclDocument
	d := xml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("not an AccessControlPolicy: %w", err)
	}
	if strings.TrimSpace(text[d.InputOffset():]) != "" {
		return nil, errors.New("there is more behind the AccessControlPolicy")
	}
	if doc.Owner.ID == "" {
		return nil, errors.New("the AccessControlPolicy names no owner")
	}
	return doc.acl(), nil
}

// check refuses what the service does not document.
func (a *ACL) check() error {
	permissions := []string{Read, Write, ReadACP, WriteACP, FullControl}
	for _, g := range a.Grants {
		named := 0
		for _, name := range []string{g.Grantee.ID, g.Grantee.Group, g.Grantee.Email} {
			if name != "" {
				named++
			}
		}
		switch {
		case named != 1:
			return errors.New("a grant is to one id, group or email")
		case g.Grantee.Group != "" && g.Grantee.Group != AllUsers && g.Grantee.Group != AuthenticatedUsers:
			return fmt.Errorf("there is no group %q: give AllUsers or AuthenticatedUsers", g.Grantee.Group)
		case !slices.Contains(permissions, g.Permission):
			return fmt.Errorf("there is no permission %q: give %s", g.Permission, strings.Join(permissions, ", "))
		}
	}
	return nil
}
