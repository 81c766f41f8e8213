// Package demo keeps a bucket in a local directory and serves it on loopback,
// for `ncloudfs demo`: everything that a mount does, without an account.
package demo
