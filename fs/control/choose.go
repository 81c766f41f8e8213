package control

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"ncloudfs/cache"
)

// choice is what to act on, of one place.
type choice struct {
	place   *place
	pending []cache.Pending
}

// ids are those of the choice; none when it is everything that is tried by
// itself.
func (c choice) ids() []string {
	var ids []string
	for _, p := range c.pending {
		ids = append(ids, p.ID)
	}
	return ids
}

// choose finds what the names mean. When one means nothing, nothing is done.
func (o *PendingOptions) choose(places []*place) ([]choice, error) {
	var chosen []choice
	var errs []error
	unknown := map[string]bool{}
	for _, name := range o.Names {
		unknown[name] = true
	}
	for _, p := range places {
		c := choice{place: p}
		if o.All && o.Discard {
			c.pending = p.pending
		}
		for _, name := range o.Names {
			found := p.named(name)
			if len(found) == 0 {
				continue
			}
			if !unknown[name] {
				errs = append(errs, fmt.Errorf("%s is in several buckets: give s3://BUCKET/KEY", printable(name)))
			}
			delete(unknown, name)
			c.pending = append(c.pending, found...)
		}
		if o.All || len(c.pending) > 0 {
			chosen = append(chosen, c)
		}
	}
	for _, name := range o.Names {
		if unknown[name] {
			errs = append(errs, fmt.Errorf("nothing that is pending has the path or ID %s", printable(name)))
		}
	}
	return chosen, errors.Join(errs...)
}

// named finds what has a name: an ID, else a path in the mount or s3://BUCKET/KEY,
// else a path that leads into the mount.
func (p *place) named(name string) []cache.Pending {
	var byID, byPath, byPlace []cache.Pending
	abs, err := filepath.Abs(name)
	inMount, isInMount := "", false
	if err == nil && p.daemon.Mountpoint != "" {
		inMount, isInMount = strings.CutPrefix(abs, strings.TrimSuffix(p.daemon.Mountpoint, "/")+"/")
	}
	for _, c := range p.pending {
		path := p.path(c)
		switch {
		case c.ID == name:
			byID = append(byID, c)
		case path == name, "s3://"+p.about.Origin.Bucket+"/"+c.Key == name:
			byPath = append(byPath, c)
		case isInMount && strings.TrimSuffix(path, "/") == inMount:
			byPlace = append(byPlace, c)
		}
	}
	switch {
	case byID != nil:
		return byID
	case byPath != nil:
		return byPath
	}
	return byPlace
}

// path is where a change is in the mount.
func (p *place) path(c cache.Pending) string { return string(c.Name) }
