// Package doctor checks what a mount needs, one thing after the other, and
// says in words what is missing and what to do about it: `ncloudfs doctor`.
// Probe is its shortest form, which a mount asks before it does anything.
package doctor
