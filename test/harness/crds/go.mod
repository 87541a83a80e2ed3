// CRDs of others that the charts and the agent make objects of, for tests.
module federated.io/fso/test/harness/crds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/openreports/reports-api v0.2.1
	sigs.k8s.io/gateway-api v1.6.3
)
