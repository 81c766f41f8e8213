// Package acl is the `ncloudfs acl` commands: who may read which objects, by
// their keys, or by their paths in a mount.
package acl
