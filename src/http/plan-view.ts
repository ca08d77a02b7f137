/** What an edit would do to a part of the running sidecar. */
export type Change = 'kept' | 'replaced' | 'opened' | 'drained';

/** A backend, of either configuration, that a rule sends to. */
export interface BackendChange {
  readonly backend: string;
  readonly change: Change;
  /** Keys of its section that differ. */
  readonly keys: readonly string[];
}

/** A rule's operators. */
export interface OperatorsChange {
  /** Place of the rule, such as `routing.web[0]`. */
  readonly rule: string;
  readonly use: readonly string[];
  readonly change: Change;
}

/** Messages of one source and type that would have gone elsewhere. */
export interface RoutingChange {
  readonly source: string;
  readonly type: string;
  readonly messages: number;
  /** Backends whose rules took them, and would take them. Operators are not run. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** The id of the last one. */
  readonly example: string;
}

/** What an edit would do, if the file were saved like this. */
export interface PlanView {
  readonly hash: string;
  /** Whether nothing would change. */
  readonly unchanged: boolean;
  readonly warnings: readonly string[];
  readonly listeners: readonly { readonly address: string; readonly change: Change }[];
  readonly backends: readonly BackendChange[];
  readonly operators: readonly OperatorsChange[];
  /** Paths of all other settings that differ. */
  readonly settings: readonly string[];
  readonly routing: {
    /** How many of the last messages were looked at. */
    readonly messages: number;
    readonly changed: number;
    readonly differences: readonly RoutingChange[];
  };
}

/** An edit that would be rejected. */
export interface RejectedPlan {
  /** `file:line:column path: what is wrong`, one each. */
  readonly errors: readonly string[];
}
