// Package bucket is the `ncloudfs bucket` commands: what the account has
// besides objects.
package bucket
