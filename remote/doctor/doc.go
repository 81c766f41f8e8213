// Package doctor checks what a mount needs, one thing after the other, and
// says in words what is missing and what to do about it: `ncloudfs doctor`.
// Probe is its shortest form, which a mount asks before it does anything.
//
// After what a mount needs come questions that the service's documentation
// leaves open. What it writes to find the answers is below a prefix of its own
// that is removed whatever happens; what a kill left is removed by the next
// run. A Memory keeps the answers that mounts make use of, by endpoint.
package doctor
