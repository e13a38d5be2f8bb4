package manifests_test

import (
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// manifests is one installation.
type manifests struct {
	deployment *appsv1.Deployment
	service    *corev1.Service
	account    *corev1.ServiceAccount
	budget     *policyv1.PodDisruptionBudget
	autoscaler *autoscalingv2.HorizontalPodAutoscaler
	policy     *networkingv1.NetworkPolicy
	configMap  *corev1.ConfigMap
	keys       *corev1.Secret    // Only the example has one,
	namespace  *corev1.Namespace // and the other.
}

// build runs kustomize on a directory beside this one.
func build(t *testing.T, name string) manifests {
	t.Helper()
	root := t.TempDir()
	for _, directory := range []string{"base", "example"} {
		if err := os.CopyFS(filepath.Join(root, directory), os.DirFS(filepath.Join("..", directory))); err != nil {
			t.Fatal(err)
		}
	}
	keys := filepath.Join(root, "example", "keys")
	if err := os.RemoveAll(keys); err != nil {
		t.Fatal(err)
	}
	// The example lists a key of this name.
	newKey(t, filepath.Join(keys, "20260101T000000.000Z.pem"))
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	var m manifests
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		m.add(t, decode(t, text))
	}
	return m
}

// decode reads one object. A field that its type does not have is an error.
func decode(t *testing.T, text []byte) runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	object, _, err := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return object
}

// add puts an object in its place, of which there is one.
func (m *manifests) add(t *testing.T, object runtime.Object) {
	t.Helper()
	taken := false
	switch o := object.(type) {
	case *appsv1.Deployment:
		taken, m.deployment = m.deployment != nil, o
	case *corev1.Service:
		taken, m.service = m.service != nil, o
	case *corev1.ServiceAccount:
		taken, m.account = m.account != nil, o
	case *policyv1.PodDisruptionBudget:
		taken, m.budget = m.budget != nil, o
	case *autoscalingv2.HorizontalPodAutoscaler:
		taken, m.autoscaler = m.autoscaler != nil, o
	case *networkingv1.NetworkPolicy:
		taken, m.policy = m.policy != nil, o
	case *corev1.ConfigMap:
		taken, m.configMap = m.configMap != nil, o
	case *corev1.Secret:
		taken, m.keys = m.keys != nil, o
	case *corev1.Namespace:
		taken, m.namespace = m.namespace != nil, o
	default:
		t.Errorf("unexpected %T", o)
	}
	if taken {
		t.Errorf("two of %T", object)
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	_, _, err := decoder.Decode([]byte("apiVersion: v1\nkind: ServiceAccount\nautomountToken: false\n"), nil, nil)
	if !runtime.IsStrictDecodingError(err) {
		t.Errorf("decoding an unknown field: %v", err)
	}
}
