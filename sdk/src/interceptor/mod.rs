//! Interceptors: code around client calls, workflows and activities, which sees and changes what passes through.
