import { PluginError } from "./errors.js";

/**
 * What ssh said, as Ansible passes it on. Source: OpenSSH 9.2 and sshpass 1.09, each tried.
 */
export function sshFailure(message: string, isByPassword: boolean): PluginError {
  if (
    /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key .*(?:differs|has changed)/i.test(
      message,
    )
  ) {
    return new PluginError(
      "HOST_KEY_CHANGED",
      "the container's host key is not the one that it had at first: another machine may answer in its place",
    );
  }
  if (/Permission denied|Invalid\/incorrect password|Too many authentication failures/i.test(message)) {
    return isByPassword
      ? new PluginError("SSH_PASSWORD_REFUSED", "the container refused the password that its node told")
      : new PluginError("CONTAINER_KEY_NOT_HELD", "the container does not let the gateway's key in");
  }
  return new PluginError("SSH_UNREACHABLE", "the container could not be reached over SSH");
}
