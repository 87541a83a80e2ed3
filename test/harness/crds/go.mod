// CRDs of others that the chart of the hub makes objects of, for its tests.
module federated.io/fso/test/harness/crds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	sigs.k8s.io/gateway-api v1.6.3
)
