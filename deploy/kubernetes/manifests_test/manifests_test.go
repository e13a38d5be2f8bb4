// Package manifests_test tests the manifests beside it as a cluster would read
// them: built by kustomize, decoded into the types of Kubernetes with unknown
// fields refused, and compared with each other and with what sessiond does by
// default.
package manifests_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// eachInstallation runs a test on the base and on the example.
func eachInstallation(t *testing.T, test func(*testing.T, manifests)) {
	t.Helper()
	for _, name := range []string{"base", "example"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, build(t, name))
		})
	}
}

// container returns the pod's one container.
func (m manifests) container(t *testing.T) corev1.Container {
	t.Helper()
	containers := m.deployment.Spec.Template.Spec.Containers
	if len(containers) != 1 {
		t.Fatalf("%d containers, want 1", len(containers))
	}
	return containers[0]
}

// volume returns the volume mounted on a path, which has to be read-only.
func (m manifests) volume(t *testing.T, path string) corev1.VolumeSource {
	t.Helper()
	for _, mount := range m.container(t).VolumeMounts {
		if mount.MountPath != path {
			continue
		}
		if !mount.ReadOnly {
			t.Errorf("%s can be written", path)
		}
		for _, volume := range m.deployment.Spec.Template.Spec.Volumes {
			if volume.Name == mount.Name {
				return volume.VolumeSource
			}
		}
	}
	t.Fatalf("nothing is mounted on %s", path)
	return corev1.VolumeSource{}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		m.checkSettings(t, t.TempDir())
		s, container := m.settings(t), m.container(t)
		i := slices.Index(container.Args, "--config")
		if i < 0 || container.Args[0] != "serve" {
			t.Fatalf("arguments %q", container.Args)
		}
		file := container.Args[i+1]
		source := m.volume(t, filepath.Dir(file)).ConfigMap
		if source == nil || source.Name != m.configMap.Name || m.configMap.Data[filepath.Base(file)] == "" {
			t.Errorf("%s is not the config map's", file)
		}
		if m.configMap.Name == "sessiond" {
			t.Error("the config map's name has no hash: a change would not be rolled out")
		}
		for name, address := range map[string]string{"http": s["http.address"], "admin": s["admin.address"]} {
			i := slices.IndexFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.Name == name })
			if i < 0 || address != fmt.Sprintf(":%d", container.Ports[i].ContainerPort) {
				t.Errorf("sessiond listens for %s on %s, the container's ports are %v", name, address, container.Ports)
			}
		}
		if container.Image == "" || (m.namespace != nil) != strings.Contains(container.Image, ":v") {
			t.Errorf("image %q", container.Image)
		}
		if spec := m.deployment.Spec.Template.Spec; spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
			t.Error("the service of this very name would make variables that are no settings")
		}
	})
}

// A pod has time to drain and to finish what it has.
func TestGracePeriod(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		s := m.settings(t)
		grace := *m.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds
		if need := s.seconds(t, "http.drain_delay") + s.seconds(t, "http.shutdown_timeout"); float64(grace) <= need {
			t.Errorf("terminationGracePeriodSeconds: %d, sessiond may take %v s", grace, need)
		}
	})
}

func TestProbes(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		c := m.container(t)
		for path, probes := range map[string][]*corev1.Probe{"/healthz": {c.StartupProbe, c.LivenessProbe}, "/readyz": {c.ReadinessProbe}} {
			for _, probe := range probes {
				if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.String() != "admin" {
					t.Errorf("probe %v, want %s on admin", probe, path)
				}
			}
		}
		if timeout := float64(c.ReadinessProbe.TimeoutSeconds); timeout <= m.settings(t).seconds(t, "redis.timeout") {
			t.Errorf("the readiness probe waits for %v s, Redis may take as long", timeout)
		}
	})
}

// The pod passes the strictest of the pod security standards, which the example
// has its namespace enforce, and goes beyond it.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	eachInstallation(t, func(t *testing.T, m manifests) {
		template := m.deployment.Spec.Template
		restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		for _, result := range evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec) {
			if !result.Allowed {
				t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
		pod, container := template.Spec.SecurityContext, m.container(t).SecurityContext
		if *pod.RunAsUser != 65532 || *pod.RunAsGroup != 65532 || *pod.FSGroup != 65532 {
			t.Errorf("runs as %d, %d, %d; the image is made for 65532", *pod.RunAsUser, *pod.RunAsGroup, *pod.FSGroup)
		}
		if container.ReadOnlyRootFilesystem == nil || !*container.ReadOnlyRootFilesystem {
			t.Error("the root file system can be written")
		}
		if automount := template.Spec.AutomountServiceAccountToken; automount == nil || *automount {
			t.Error("the pod has a token for the API of Kubernetes")
		}
		if automount := m.account.AutomountServiceAccountToken; automount == nil || *automount || template.Spec.ServiceAccountName != m.account.Name {
			t.Error("the service account hands out its token, or is not used")
		}
	})
}

// The keys are where sessiond looks for them, with a mode that it accepts.
func TestKeys(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		source := m.volume(t, m.settings(t)["tokens.key_directory"]).Secret
		if source == nil {
			t.Fatal("the key directory is no secret")
		}
		if m.keys == nil {
			if source.SecretName != "sessiond-keys" {
				t.Errorf("keys come from secret %q", source.SecretName)
			}
			return
		}
		if source.SecretName != m.keys.Name {
			t.Errorf("keys come from secret %q, which is called %q", source.SecretName, m.keys.Name)
		}
		directory := t.TempDir()
		for name, data := range m.keys.Data {
			if err := os.WriteFile(filepath.Join(directory, name), data, fs.FileMode(*source.DefaultMode)); err != nil {
				t.Fatal(err)
			}
		}
		if list := m.checkSettings(t, directory); !strings.Contains(list, "\tcurrent\t") {
			t.Errorf("no key signs: %q", list)
		}
		// The group of the pod's files is how it reads what root owns.
		if *source.DefaultMode != 0o440 {
			t.Errorf("mode %04o", *source.DefaultMode)
		}
	})
}

// Whatever selects pods selects these.
func TestSelectors(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		pod := labels.Set(m.deployment.Spec.Template.Labels)
		selectors := map[string]*metav1.LabelSelector{
			"deployment": m.deployment.Spec.Selector,
			"service":    metav1.SetAsLabelSelector(m.service.Spec.Selector),
			"budget":     m.budget.Spec.Selector,
			"policy":     &m.policy.Spec.PodSelector,
		}
		for _, constraint := range m.deployment.Spec.Template.Spec.TopologySpreadConstraints {
			selectors["spread over "+constraint.TopologyKey] = constraint.LabelSelector
		}
		for name, selector := range selectors {
			s, err := metav1.LabelSelectorAsSelector(selector)
			if err != nil || s.Empty() || !s.Matches(pod) {
				t.Errorf("the selector of the %s, %v, does not match %v: %v", name, s, pod, err)
			}
		}
		target := m.autoscaler.Spec.ScaleTargetRef
		if target.Kind != "Deployment" || target.Name != m.deployment.Name || target.APIVersion != appsv1.SchemeGroupVersion.String() {
			t.Errorf("the autoscaler scales %v", target)
		}
	})
}

// There are three replicas or more, one at most is away at a time, and while a
// new version is rolled out none.
func TestReplicas(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		if least := m.autoscaler.Spec.MinReplicas; least == nil || *least < 3 || m.autoscaler.Spec.MaxReplicas < *least {
			t.Errorf("the autoscaler keeps %v to %d replicas", least, m.autoscaler.Spec.MaxReplicas)
		}
		if m.deployment.Spec.Replicas != nil {
			t.Error("the deployment's replicas overrule the autoscaler each time it is applied")
		}
		if update := m.deployment.Spec.Strategy.RollingUpdate; update.MaxUnavailable.String() != "0" || update.MaxSurge.String() == "0" {
			t.Errorf("rolling update %v", update)
		}
		if m.budget.Spec.MaxUnavailable.String() != "1" {
			t.Errorf("disruption budget %v", m.budget.Spec)
		}
	})
}

func TestResources(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		c := m.container(t)
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
			if request.IsZero() || limit.Cmp(request) < 0 {
				t.Errorf("%s: %v requested of %v", name, &request, &limit)
			}
		}
		i := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
		if i < 0 {
			t.Fatal("no GOMEMLIMIT")
		}
		// What Go calls MiB is Mi here.
		soft, hard := quantity(t, strings.TrimSuffix(c.Env[i].Value, "B")), c.Resources.Limits[corev1.ResourceMemory]
		if soft >= hard.Value() || soft < hard.Value()/2 {
			t.Errorf("GOMEMLIMIT=%s with a limit of %v", c.Env[i].Value, &hard)
		}
	})
}
